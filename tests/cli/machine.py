"""`sealane cpu`, and standard output that fails."""
import json
import os
import re
import resource
import subprocess
import tempfile

from harness import case, check, equal, fails, run, works


def cpu(*arguments, **options):
    return json.loads(works("cpu", "--json", *arguments, **options))


@case
def cpu_lists_kernels_and_forces_them():
    found = cpu()
    equal(sum(k["chosen"] for k in found["kernels"]), 1, "chosen kernels")
    names = [k["name"] for k in found["kernels"]]
    check("portable" in names and len(set(names)) == len(names), f"kernels {names}")
    best = next(k for k in found["kernels"] if k["state"] == "ready")
    check(best["chosen"], f"{best['name']} is the first that is ready and not chosen")
    with tempfile.TemporaryDirectory() as empty:
        for kernel in found["kernels"]:
            if kernel["state"] == "ready":
                forced = cpu("--kernel", kernel["name"])
                equal([k["name"] for k in forced["kernels"] if k["chosen"]], [kernel["name"]], "forced")
            else:
                fails(1, "KERNEL_UNUSABLE", "cpu", "--kernel", kernel["name"], directory=empty)
        fails(2, "KERNEL_UNKNOWN", "cpu", "--kernel", "nothing", directory=empty)
    text = works("cpu").decode()
    for name in names:
        check(name in text, f"{name} is missing in the text form")


@case
def cpu_respects_affinity_and_limits():
    usable = os.sched_getaffinity(0)
    equal(cpu()["processors"], len(usable), "processors")
    one = cpu(limits={resource.RLIMIT_MEMLOCK: 65536}) if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] >= 65536 else None
    if one:
        equal(one["lockable_memory_bytes"], 65536, "lockable memory")
    try:
        os.sched_setaffinity(0, {max(usable)})
        narrowed = cpu()
    finally:
        os.sched_setaffinity(0, usable)
    equal((narrowed["processors"], narrowed["cores"]), (1, 1), "processors and cores of a narrowed process")
    equal([w["cpu"] for w in narrowed["workers"]["plan"]], [max(usable)], "workers of a narrowed process")


@case
def cpu_plans_a_worker_for_each_core():
    found = cpu()
    workers, plan = found["workers"], found["workers"]["plan"]
    equal(sorted(w["cpu"] for w in plan), sorted(os.sched_getaffinity(0)), "hardware threads planned")
    equal(sum(not w["sibling"] for w in plan), found["cores"], "workers that have a core of their own")
    check(1 <= workers["default"] <= found["cores"], f"default {workers['default']} of {found['cores']} cores")
    text = works("cpu").decode()
    check(re.search(rf"^Workers +{workers['default']} for long files", text, re.M), text)


@case
def cpu_shows_kernels_without_a_topology():
    plain = cpu()
    for name, value in (("HWLOC_SYNTHETIC", "node:2 core:4 pu:2"), ("HWLOC_XMLFILE", "/dev/null")):
        options = {"env": dict(os.environ, **{name: value}), "warnings": 1}
        found = cpu(**options)
        equal(found["kernels"], plain["kernels"], f"kernels under {name}")
        equal({k: found[k] for k in ("cores", "processors", "caches", "nodes", "workers")},
              {"cores": None, "processors": None, "caches": None, "nodes": None, "workers": None}, f"topology under {name}")
        text = works("cpu", **options).decode()
        check(re.search(r"^Topology +unknown$", text, re.M) and "portable" in text, text)


@case
def output_that_fails_is_noticed():
    with tempfile.TemporaryDirectory() as empty:
        for line in [["cpu"], ["cpu", "--json"], ["--help"], ["--version"], ["help", "seal"]]:
            with open("/dev/full", "wb") as full:
                fails(1, "NO_SPACE", *line, directory=empty, stdout=full)
            fails(1, "WRITE_FAILED", *line, directory=empty, stdout=None, closed=[1])
            reader, writer = os.pipe()
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                fails(1, "BROKEN_PIPE", *line, directory=empty, stdout=pipe)


@case
def text_is_the_same_in_every_locale():
    locales = subprocess.run(["locale", "-a"], stdout=subprocess.PIPE).stdout.decode().split()
    plain = works("cpu", env={"LC_ALL": "C"})
    for name in ["C.UTF-8", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8", "ar_EG.UTF-8", "nonsense", *locales[:20]]:
        equal(works("cpu", env={"LC_ALL": name, "LANGUAGE": "de:fr"}), plain, f"cpu under {name}")
