#!/usr/bin/env bash
# numa-guest.sh BUILD: the worker pool on machines of several NUMA nodes: boots small guests in qemu and runs BUILD/numa/numa_pool
# there, test_topology, and the benchmark of scaling, whose times mean nothing there.  Then once more with what places threads or memory made wrong, which the test must notice:
# otherwise it proves nothing.  `make test-numa` does all of it.  Logs, and the guest's kernel, stay in BUILD/numa.
set -eu
cd "$(dirname "$0")/.."
[ $# = 1 ] || {
    echo "usage: tools/numa-guest.sh BUILD" >&2
    exit 2
}
build=$(cd "$1" && pwd)
out=$build/numa
fail() {
    echo "numa-guest.sh: $*" >&2
    exit 1
}
[ "$(uname -m)" = x86_64 ] || fail "the guest runs programs for x86-64, and this machine makes none"
for tool in qemu-system-x86_64 cpio; do
    command -v $tool >/dev/null || fail "$tool is missing: tools/bootstrap.sh numa"
done
programs="$out/numa_pool $build/tests/test_topology $build/sealane-bench"
for file in $programs "$out/numa_mutant.so" "$out/guest_exit"; do
    [ -e "$file" ] || fail "$file is missing: cmake --build $1 --target numa"
done

# ---- The guest's kernel and its busybox, from Debian's packages ----

fetch() { # into the working directory: the package that linux-image-cloud-amd64 stands for today, and busybox
    local kernel
    kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -nE 's/^ *Depends: (linux-image-[0-9][^ ]*)$/\1/p') &&
        [ -n "$kernel" ] && apt-get download -q "$kernel" busybox-static
}
if [ ! -f "$out/vmlinuz" ] || [ ! -f "$out/busybox" ]; then
    rm -rf "$out/packages"
    mkdir -p "$out/packages"
    # This machine's lists may be missing, or name a kernel that has been replaced since.
    (cd "$out/packages" && fetch) >"$out/packages.log" 2>&1 || (
        . tools/private-apt.sh
        private_apt amd64 "$out/apt"
        cd "$out/packages" && fetch
    ) >>"$out/packages.log" 2>&1 || fail "no packages for the guest: see $out/packages.log"
    for deb in "$out"/packages/*.deb; do
        dpkg --fsys-tarfile "$deb" | tar -x -C "$out/packages" --wildcards './boot/vmlinuz-*' './bin/busybox' 2>/dev/null || true
    done
    mv "$out/packages/bin/busybox" "$out/busybox"
    mv "$out"/packages/boot/vmlinuz-* "$out/vmlinuz"
    rm -rf "$out/packages" "$out/apt"
fi

# ---- Its first file system: the same bytes for the same programs ----

root=$out/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/lib" "$root/proc" "$root/sys" "$root/dev"
cp "$out/busybox" "$root/bin/"
cp $programs "$out/numa_mutant.so" "$out/guest_exit" tests/numa/init "$root/"
ldd $programs >"$out/ldd.log" || fail "ldd: see $out/ldd.log"
! grep 'not found' "$out/ldd.log" || fail "a library is missing"
for library in $(sed -nE 's/^.*=> (\/[^ ]+) \(0x.*$/\1/p' "$out/ldd.log"); do
    cp -L "$library" "$root/lib/"
done
loader=$(sed -nE 's/^\t(\/[^ ]+) \(0x.*$/\1/p' "$out/ldd.log" | sort -u)
mkdir -p "$root$(dirname "$loader")"
cp -L "$loader" "$root$loader"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --reproducible -R 0:0 --quiet) | gzip -n >"$out/initrd.gz"

# ---- Machines ----

cpus_and_memory() { # NODE CPUS MIB, - for none
    [ "$3" = - ] || printf ' -object memory-backend-ram,id=m%s,size=%sM' "$1" "$3"
    printf ' -numa node,nodeid=%s' "$1"
    [ "$3" = - ] || printf ',memdev=m%s' "$1"
    [ "$2" = - ] || printf ',cpus=%s' "$2"
}
two="-cpu max -smp 4,sockets=2,cores=2,threads=1 -m 1024M $(cpus_and_memory 0 0-1 512)$(cpus_and_memory 1 2-3 512)
    -numa dist,src=0,dst=1,val=20"
four="-cpu max -smp 4,sockets=4,cores=1,threads=1 -m 1280M $(for n in 0 1 2 3; do cpus_and_memory $n $n 320; done)
    -numa dist,src=0,dst=1,val=16 -numa dist,src=0,dst=2,val=22 -numa dist,src=0,dst=3,val=16
    -numa dist,src=1,dst=2,val=16 -numa dist,src=1,dst=3,val=22 -numa dist,src=2,dst=3,val=16"
# Two hardware threads a core; node 2 has no CPUs, node 1 no memory.
mixed="-cpu max,vendor=GenuineIntel -smp 6,sockets=3,cores=1,threads=2 -m 1024M
    $(cpus_and_memory 0 0-1 384)$(cpus_and_memory 1 2-3 -)$(cpus_and_memory 2 - 256)$(cpus_and_memory 3 4-5 384)"

boot() { # NAME MACHINE CASES [MUTANT]: the log has qemu's exit code in its last line
    local code=0
    # Emulated: a machine may have KVM and not be able to use it, and a boot takes 5 s.  On one thread, since guest CPUs that wait for
    # each other on fewer real ones, or on busy ones, spin most of their time.
    timeout 400 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine q35 -accel tcg,thread=single $2 \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -serial stdio -kernel "$out/vmlinuz" -initrd "$out/initrd.gz" \
        -append "console=ttyS0 panic=-1 quiet CASES=$3 ${4:+MUTANT=$4}" </dev/null >"$out/$1.raw" 2>&1 || code=$?
    tr -d '\r' <"$out/$1.raw" >"$out/$1.log"
    rm "$out/$1.raw"
    echo "exit code of qemu: $code" >>"$out/$1.log"
}
in_background() { # at most one for each CPU
    while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do
        wait -n
    done
    boot "$@" &
}
rm -f "$out"/*.log
in_background two "$two" workers,memory,full,slices,cpuset,shrink,offline,test_topology,scaling
in_background four "$four" workers,memory,slices,test_topology
in_background mixed "$mixed" workers,memory,slices,test_topology,scaling
for mutant in no-pinning node-0 plain; do
    in_background "$mutant" "$two" workers,memory "$mutant"
done
wait

# ---- Verdicts ----

ended_with() { # NAME CODE
    [ "$(tail -n 1 "$out/$1.log")" = "exit code of qemu: $2" ]
}
failed=0
total=0
passes() { # NAME: 33 is what guest_exit gives for 0
    local placements
    placements=$(sed -nE 's/^([0-9]+) placements checked, 0 findings wrong$/\1/p' "$out/$1.log" | awk '{n += $1} END {print n + 0}')
    echo "== guest: $1"
    cat "$out/$1.log"
    if ! ended_with "$1" 33; then
        echo "FAILED: guest $1"
        failed=1
    elif [ "$placements" = 0 ]; then
        echo "FAILED: guest $1 checked no placement"
        failed=1
    fi
    total=$((total + placements))
}
noticed=0
fails() { # MUTANT PATTERN...: wrong placements were found (35), these among them
    local mutant=$1 pattern line
    shift
    if ! ended_with "$mutant" 35; then
        cat "$out/$mutant.log"
        echo "FAILED: mutant $mutant was to fail its test"
        failed=1
        return
    fi
    for pattern in "$@"; do
        line=$(grep -m 1 -E "^ *WRONG +$pattern" "$out/$mutant.log") || {
            cat "$out/$mutant.log"
            echo "FAILED: mutant $mutant was to be found by: $pattern"
            failed=1
            return
        }
        echo "mutant $mutant: $line"
    done
    noticed=$((noticed + 1))
}
prints() { # NAME PATTERN...: a line of the guest's output for each
    local name=$1 pattern
    shift
    for pattern in "$@"; do
        grep -qE "$pattern" "$out/$name.log" || {
            echo "FAILED: guest $name printed no line like: $pattern"
            failed=1
        }
    done
}
passes two
rate='[0-9]+\.[0-9]{2} +[0-9]+\.[0-9]{3}$'
# Each node beside the copy there: shared out by the pool, and with each thread on the other node's memory.
for row in sealane sealane:remote; do
    prints two "^$row +threads:4/bytes:8388608/inplace:0 +0 +$rate" "^$row +threads:4/bytes:8388608/inplace:0 +1 +$rate"
done
# The threads of the node without memory have their share somewhere.
prints mixed "^sealane +threads:3/bytes:8388608/inplace:1 +none +$rate" "^sealane:remote +threads:3/bytes:8388608/inplace:1 +[0-9] +$rate"
passes four
passes mixed
fails no-pinning 'worker [0-9]+: .* 0 threads may run there alone' 'thread [0-9]+ of the pool may run on 0,1,2,3'
fails node-0 'worker [0-9]+: CPU [23] of node 1 .* 0 threads may run there alone' 'CPU [23] of node 1: seen running a worker 0 times' \
    'buffer for node 1, .* on node 0'
fails plain 'buffer for node 0, touched by CPU 2 .* on node 1' 'buffer for node 1, touched by CPU 0 .* on node 0' 'interleaved buffer'
echo "$total placements checked in 3 guests"
[ "$noticed" != 3 ] || echo "3 mutants failed as they must"
exit $failed
