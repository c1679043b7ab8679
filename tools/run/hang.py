# SPDX-License-Identifier: MIT
"""Who waits for whom in a machine that does not end in time: gdb looks through QEMU's stub, with the commands of tools/gdb."""
import shutil
import subprocess

from run.machine import ARCHITECTURES, ROOT

GDB = "gdb-multiarch"
GDB_SECONDS = 30


def arguments(directory):
    """QEMU's: a stub that waits for nobody."""
    return ["-gdb", f"unix:{directory}/gdb,server=on,wait=off"]


def report(settings, directory):
    """The threads and what each waits for; or why that cannot be told."""
    if not shutil.which(GDB):
        return f"(with {GDB} installed this would say who waits for whom)\n"
    gdb = [GDB, "-nx", "-batch", "-iex", "set auto-load no", "-ex", f"target remote {directory}/gdb",
           "-ex", ARCHITECTURES[settings.arch].look, "-x", str(ROOT / "tools/gdb/jjok.py"), "-ex", "jjok-threads"]
    try:
        done = subprocess.run([*gdb, str(settings.kernel)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=GDB_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"({GDB} did not answer within {GDB_SECONDS} s)\n"
    return "Stopped; this is what it was doing:\n" + done.stdout.decode(errors="replace")
