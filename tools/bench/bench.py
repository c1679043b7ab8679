# SPDX-License-Identifier: MIT
"""jjok bench: measures under icount and lays the counts beside those of seL4 and Linux.

Three boots: kbench on a machine of its own (user/bench/bench.manifest) for the rows of the kernel alone, then /bin/bench
and /bin/bench-pagers in the system that `make run` ships, then /bin/bench-swap in the same with a disk and the little
memory of PAGING. The guest prints `bench: NAME VALUE`; anchors.json holds, per
row, the other systems' figures (same QEMU, same convention, Linux in its lean configuration; all on riscv64) and our
bound, or bound_ARCH where an architecture has its own; test/bench/expected-ARCH.json what was measured when it was last
looked at. What a row means stands in docs/bench.md.
"""
import dataclasses
import json
import pathlib
import re
import sys

from run import session
from run.machine import ROOT

ANCHORS = pathlib.Path(__file__).with_name("anchors.json")
ANCHORED = "riscv64"  # where the other systems were measured
LINE = re.compile(rb"(?m)^bench: (\w+) (\d+(?:\.\d+)?)")
MOVED = 0.01
MOVED_DISK = 0.05  # rows for which the disk answers when the host does
TIMEOUT = 600
KERNEL_ALONE = "/etc/bench.manifest"
PAGING = {"riscv64": "84M", "x86_64": "84M"}  # leaves programs 63 MiB, as the Linux machine of the anchors has
SWAP = "320M"  # more than twice what is written: no slot has to be given up for want of room


def expected_file(arch):
    return ROOT / f"test/bench/expected-{arch}.json"


def rows_merge(measured, arch):
    """Rows in the order of the anchors; names that only the guest knows come last."""
    rows = json.loads(ANCHORS.read_text())["rows"]
    for row in rows:
        row["bound"] = row.get(f"bound_{arch}", row["bound"])
        if arch != ANCHORED:
            row["sel4"] = row["linux"] = None
    known = {row["name"] for row in rows}
    rows += [{"name": name, "unit": "instructions", "sel4": None, "linux": None, "bound": None, "what": ""}
             for name in measured if name not in known]
    return [{**row, "jjok": measured.get(row["name"])} for row in rows]


def verdict(row):
    if row["jjok"] is None:
        return "MISSING"
    if row["bound"] is None:
        return ""
    return "ok" if row["jjok"] <= row["bound"] else "MISSED"


def number(value):
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def table(rows, arch):
    yield f"{arch:<29}{'jjok':>12}{'bound':>12} {'':<8}{'seL4':>10}{'Linux':>13}  unit"
    for row in rows:
        yield (f"{row['name']:<29}{number(row['jjok']):>12}{number(row['bound']):>12} {verdict(row):<8}"
               f"{number(row['sel4']):>10}{number(row['linux']):>13}  {row['unit']}")


def moved(rows, expected):
    for row in rows:
        old, new = expected.get(row["name"]), row["jjok"]
        if old is None or new is None:
            continue
        if abs(new - old) > (MOVED_DISK if row.get("disk") else MOVED) * old:
            change = f"{100 * (new - old) / old:+.1f} %" if old else "was 0"
            yield f"moved: {row['name']} {number(old)} -> {number(new)} ({change})"


def stages(measured):
    """Where the instructions of a first-touch fault go. The kernel's share is that of the same fault with the least pager."""
    names = ("fault_map_prepared", "page_zero", "fault_anon_write")
    if all(name in measured for name in names):
        kernel, zero, whole = (measured[name] for name in names)
        yield (f"fault_anon_write {number(whole)} = kernel (trap, message, mapping, resumption) {number(kernel)} + zeroing "
               f"{number(zero)} + vm {number(whole - kernel - zero)}")


def measure(settings, options):
    """Runs the boots. Answers what they measured, and the first that did not end well, else the last."""
    kernel_alone = dataclasses.replace(settings, append=f"manifest={KERNEL_ALONE} {settings.append}".strip())
    paging = dataclasses.replace(settings, mem=PAGING[settings.arch], swap=SWAP, swapon=False)
    boots = [(kernel_alone, ""), (settings, "bench\nbench-pagers\n"), (paging, "swapon /dev/vda\nbench-swap\n")]
    if options.command:
        boots = [(settings, options.command[0] + "\n")]
    measured, output = {}, b""
    for boot, commands in boots:
        ending = session.run_settings(boot, commands, timeout=options.timeout or TIMEOUT)
        output += ending.output
        measured |= {name.decode(): float(value) if b"." in value else int(value)
                     for name, value in LINE.findall(ending.output)}
        if ending.status:
            break
    if options.log:
        pathlib.Path(options.log).write_bytes(output)
    return measured, ending


def run(settings, options):
    settings.icount = True
    print("jjok: measuring in guest instructions: the host's load does not matter", file=sys.stderr)
    measured, ending = measure(settings, options)
    rows = rows_merge(measured, settings.arch)
    print("\n".join([*table(rows, settings.arch), *stages(measured)]))
    output = settings.out / "bench.json"
    output.write_text(json.dumps([{key: row[key] for key in ("name", "jjok", "sel4", "linux", "unit")} for row in rows],
                                 indent=1) + "\n")
    expected_path = expected_file(settings.arch)
    expected = json.loads(expected_path.read_text()) if expected_path.is_file() else {}
    for line in moved(rows, expected):
        print(line)
    if options.update:
        expected_path.write_text(json.dumps(measured, indent=1) + "\n")
    bad = [row["name"] for row in rows if verdict(row) in ("MISSED", "MISSING")]
    print(f"{len(measured)} rows in {output}; "
          + (f"not within bounds: {' '.join(bad)}" if bad else "all within bounds"))
    if ending.status:
        sys.stdout.flush()
        sys.stderr.buffer.write(ending.output[-2000:])
        return session.report(ending) or ending.status
    return 1 if bad else 0
