#!/usr/bin/env bash
# check-consumers.sh BUILD: installs BUILD as a packager does and builds other people's programs against the installed tree alone.
set -eu
cd "$(dirname "$0")/.."
build=$1
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
strict="-Wall -Wextra -Werror -pedantic-errors"

DESTDIR=$stage/root cmake --install "$build" >"$stage/install.log" || { cat "$stage/install.log"; exit 1; }
mv "$stage/root" "$stage/moved"
prefix=$stage/moved$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
libdir=$(dirname "$(find "$prefix" -name libsealane.so)")

echo "== every public header alone"
for header in "$prefix"/include/sealane/*.h; do
    name=sealane/$(basename "$header")
    # One declaration more: a header of macros alone would be an empty translation unit.
    source="#include <$name>
extern int consumer;"
    echo "$source" | gcc -std=c99 $strict -fsyntax-only -I "$prefix/include" -x c -
    echo "$source" | g++ -std=c++11 $strict -fsyntax-only -I "$prefix/include" -x c++ -
    echo "$name"
done

echo "== find_package(sealane)"
cmake -S tests/consumers -B "$stage/cmake" -DCMAKE_PREFIX_PATH="$prefix" --log-level=WARNING
cmake --build "$stage/cmake" >"$stage/cmake.log" || { cat "$stage/cmake.log"; exit 1; }
for program in "$stage"/cmake/c_* "$stage"/cmake/cxx_*; do
    echo "$(basename "$program"): $("$program")"
done

export PKG_CONFIG_PATH=$libdir/pkgconfig
for package in sealane sealane-core; do
    echo "== pkg-config $package"
    gcc -std=c99 $strict tests/consumers/known_answer.c -o "$stage/c99" $(pkg-config --cflags --libs $package)
    LD_LIBRARY_PATH=$libdir "$stage/c99"
    g++ -std=c++11 $strict -x c++ tests/consumers/known_answer.c -x none -o "$stage/cxx11" $(pkg-config --cflags --libs $package)
    LD_LIBRARY_PATH=$libdir "$stage/cxx11"
    # Our archive by name, the libraries that it needs in whatever form the system has them.
    needs=$(pkg-config --print-requires-private $package | sed 's/ .*//')
    gcc -std=c99 $strict tests/consumers/known_answer.c -o "$stage/static" $(pkg-config --cflags $package) \
        "$libdir/lib$package.a" -pthread ${needs:+$(pkg-config --libs $needs)}
    "$stage/static"
    if readelf -d "$stage/static" | grep "lib$package"; then exit 1; fi
done

echo "== programs"
LD_LIBRARY_PATH=$libdir "$prefix/bin/sealane" --version
LD_LIBRARY_PATH=$libdir "$prefix/bin/sealane" cpu
for file in share/man/man1/sealane.1 share/bash-completion/completions/sealane share/zsh/site-functions/_sealane \
    share/fish/vendor_completions.d/sealane.fish; do
    [ -s "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
