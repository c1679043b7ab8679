# SPDX-License-Identifier: MIT
"""jjok debug: the machine in gdb, stopped at its first instruction. QEMU is gdb's child on a pipe, without a port."""
import shlex
import signal
import subprocess
import tempfile

from run import disk
from run.machine import ROOT, qemu_command
from run.session import archive_pack


def run(settings, commands):
    log = settings.out / "debug-console.log"
    disk.check(settings)
    with tempfile.TemporaryDirectory(prefix="jjok-") as directory:
        archive = archive_pack(settings, directory, commands)
        qemu = [*qemu_command(settings, archive), *disk.arguments(settings, directory), "-S",
                "-gdb", "stdio", "-serial", f"file:{log}", "-monitor", "none"]
        print(f"jjok: the guest's console goes to {log}")
        gdb = ["gdb-multiarch", "-q", "-x", str(ROOT / "tools/gdb/jjok.gdb")]
        for extension in sorted((ROOT / "tools/gdb").glob("*.py")):
            gdb += ["-x", str(extension)]
        # A session of its own, or gdb's Ctrl-C would end QEMU too; but it goes when gdb goes.
        gdb += ["-ex", "target remote | exec setsid setpriv --pdeathsig KILL " + shlex.join(qemu), str(settings.kernel)]
        # Ctrl-C is meant for gdb, which is in our process group; gdb must not inherit that we ignore it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return subprocess.run(gdb, check=False,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)).returncode
