# SPDX-License-Identifier: MIT
"""jjok debug: the machine in gdb, stopped at its first instruction. QEMU is gdb's child on a pipe, without a port."""
import shlex
import subprocess
import tempfile

from run.machine import ROOT, qemu_command
from run.session import archive_pack


def run(settings, commands):
    log = settings.out / "debug-console.log"
    with tempfile.TemporaryDirectory(prefix="jjok-") as directory:
        archive = archive_pack(settings, directory, commands)
        qemu = [*qemu_command(settings, archive), "-S", "-gdb", "stdio", "-serial", f"file:{log}", "-monitor", "none"]
        print(f"jjok: the guest's console goes to {log}")
        gdb = ["gdb-multiarch", "-q", "-x", str(ROOT / "tools/gdb/jjok.gdb")]
        for extension in sorted((ROOT / "tools/gdb").glob("*.py")):
            gdb += ["-x", str(extension)]
        gdb += ["-ex", "target remote | exec " + shlex.join(qemu), str(settings.kernel)]
        return subprocess.run(gdb, check=False).returncode
