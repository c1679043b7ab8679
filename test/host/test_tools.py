#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the host tools that pack the boot archive, run the machine and check the sources."""
import os
import pathlib
import re
import struct
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools/setup")]
sys.dont_write_bytecode = True

import fetch  # noqa: E402
import lint  # noqa: E402
import mkarchive  # noqa: E402
import test as test_runner  # noqa: E402
from run import disk, session, trace  # noqa: E402
from run.machine import (EXIT_SWITCHED, Settings, UsageError, memory_bytes, qemu_command, status_file,  # noqa: E402
                         status_reported)


def entries_of(data):
    magic, count, pages = mkarchive.HEADER.unpack_from(data)
    assert magic == mkarchive.MAGIC and pages * mkarchive.PAGE == len(data)
    for index in range(count):
        path, page, size, mtime, mode, flags = mkarchive.ENTRY.unpack_from(
            data, mkarchive.HEADER.size + index * mkarchive.ENTRY.size)
        start = page * mkarchive.PAGE
        yield path.rstrip(b"\0").decode(), data[start:start + size], mode, flags


class ArchiveTest(unittest.TestCase):
    def setUp(self):
        self.archive = mkarchive.Archive()

    def test_layout_is_that_of_the_idl(self):
        self.assertEqual((mkarchive.HEADER.size, mkarchive.ENTRY.size), (16, 128))
        idl = (ROOT / "lib/abi/51-files.idl").read_text()
        self.assertEqual(int(re.search(r"const ARCHIVE_MAGIC (\w+)", idl).group(1), 0), mkarchive.MAGIC)

    def test_init_is_first_and_all_comes_back(self):
        files = {"/bin/a": b"a" * 5000, "/etc/rc": b"", "/sbin/init": b"init", "/demo/x/y": b"\0\xff"}
        for path, content in files.items():
            self.archive.file_add(path, content)
        entries = list(entries_of(self.archive.pack()))
        self.assertEqual(entries[0][0], "/sbin/init")
        self.assertEqual({p: c for p, c, _, flags in entries if not flags}, files)
        self.assertEqual({p for p, _, _, flags in entries if flags}, {"/bin/", "/etc/", "/sbin/", "/demo/", "/demo/x/"})

    def test_more_entries_than_a_page_holds(self):
        for number in range(100):
            self.archive.file_add(f"/f{number:03}", bytes([number]))
        self.assertEqual([c for _, c, _, _ in entries_of(self.archive.pack())], [bytes([n]) for n in range(100)])

    def test_bad_paths(self):
        for path in ("relative", "/", "/a//b", "/a/../b", "/" + "x" * 95):
            with self.assertRaises(mkarchive.ArchiveError, msg=path):
                self.archive.file_add(path, b"")
        self.archive.file_add("/a", b"")
        with self.assertRaises(mkarchive.ArchiveError):
            self.archive.file_add("/a/b", b"")

    def test_overlay_replaces_and_adds(self):
        self.archive.file_add("/etc/x", b"old")
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(root + "/etc")
            os.makedirs(root + "/empty")
            pathlib.Path(root, "etc/x").write_bytes(b"new")
            pathlib.Path(root, "run").write_bytes(b"#!")
            os.chmod(root + "/run", 0o755)
            os.mkfifo(root + "/fifo")
            self.archive.tree_add(root)
        found = {path: (content, mode) for path, content, mode, _ in entries_of(self.archive.pack())}
        self.assertEqual(found["/etc/x"], (b"new", 0o644))
        self.assertEqual(found["/run"], (b"#!", 0o755))
        self.assertIn("/empty/", found)
        self.assertNotIn("/fifo", found)


class MachineTest(unittest.TestCase):
    def test_memory(self):
        self.assertEqual([memory_bytes(t) for t in ("128M", "1g", "65536K", "64")], [1 << 27, 1 << 30, 1 << 26, 1 << 26])
        for text in ("", "12T", "M", "-5M", "1.5G"):
            with self.assertRaises(UsageError):
                memory_bytes(text)

    def test_settings_refuse_with_words(self):
        for change in ({"arch": "vax"}, {"mode": "sv32"}, {"mode": "la48"}, {"arch": "x86_64", "mode": "sv39"}, {"smp": "0"},
                       {"smp": "x"}, {"mem": "1M"}):
            settings = Settings(**change)
            with self.assertRaises(UsageError, msg=change):
                settings.check()

    def test_command(self):
        settings = Settings(mode="sv39", append="check=1", icount=True)
        command = qemu_command(settings, "/x/archive", "/x/ram")
        self.assertIn("mode=sv39 check=1", command)
        self.assertIn("shift=0,sleep=off", command)
        self.assertIn("virt,memory-backend=ram", command)
        command = qemu_command(Settings(arch="x86_64"), "/x/archive")
        self.assertIn("file,id=status,path=/x/archive.status", command)

    def test_trace_arguments_leave_the_callers_alone(self):
        words = trace.arguments_for(Settings(mem="64M", append="trace=3 a=b")).split()
        self.assertEqual(words, ["trace=3", "a=b", "trace_ring=2097152", "trace_wait=1"])


class DiskTest(unittest.TestCase):
    def test_an_image_is_made_as_mkswap_makes_it(self):
        with tempfile.TemporaryDirectory() as folder:
            command = disk.arguments(Settings(swap="1M,256K"), folder)
            self.assertEqual([os.path.getsize(f"{folder}/swap{n}") for n in (0, 1)], [1 << 20, 256 << 10])
            with open(f"{folder}/swap0", "rb") as file:
                page = file.read(4096)
        self.assertEqual(page[-10:], b"SWAPSPACE2")
        version, last_page, bad_pages = struct.unpack_from("<3I", page, 1024)
        self.assertEqual((version, last_page, bad_pages), (1, 255, 0))
        self.assertEqual(command.count("-device"), 2)
        self.assertEqual(disk.arguments(Settings(), "/x"), [])

    def test_slow_and_bad_disks(self):
        with tempfile.NamedTemporaryFile(suffix=",x") as image:
            settings = Settings(swap=image.name.replace(",", ""), disk_throttle="iops=100 bps=1M",
                                disk_errors=("write sector 8 once", "read errno 28"))
            drive = disk.drive_options(settings, 1, image.name, False)[1]
        self.assertTrue(drive.endswith("throttling.iops-total=100,throttling.bps-total=1048576"))
        self.assertIn("inject-error.0.iotype=write,file.inject-error.0.errno=5,file.inject-error.0.sector=8,file.inject-error.0.once=on",
                      drive)
        self.assertIn("inject-error.1.iotype=read,file.inject-error.1.errno=28,throttling", drive)
        self.assertIn(",,x", drive)
        self.assertIn("id=vdb", drive)

    def test_refuses_with_words(self):
        for change in ({"swap": "1K"}, {"swap": "/no/such/image"}, {"swap": "64M,huge"}, {"disk_throttle": "iops=1"},
                       {"swap": "1M", "disk_throttle": "speed=1"}, {"swap": "1M", "disk_errors": ("write sector x",)}):
            with self.assertRaises(UsageError, msg=change):
                disk.check(Settings(**change))


class SessionTest(unittest.TestCase):
    def ending(self, output, returncode, early="", **reported):
        return session.ending_of(early, returncode, output, reported.get("reported", returncode))[0]

    def test_status(self):
        self.assertEqual(self.ending(b"x\r\njjok: power off, status 3\r\n", 3), 3)
        self.assertEqual(self.ending(b"no newline jjok: power off, status 0\r\n", 0), 0)
        self.assertEqual(self.ending(b"killed by nobody", 0), session.NO_STATUS)
        self.assertEqual(self.ending(b"jjok: power off, status 0\r\nforged, then more", 0), session.NO_STATUS)
        self.assertEqual(self.ending(b"jjok: power off, status 3\r\n", 0), session.NO_STATUS)
        self.assertEqual(self.ending(b"", -9, "timeout"), session.TIMED_OUT)
        self.assertEqual(self.ending(b"jjok: power off, status 200\r\n", 0x55, reported=200), 200)
        self.assertEqual(self.ending(b"jjok: power off, status 3\r\n", 0x55, reported=2), session.NO_STATUS)
        self.assertEqual(self.ending(b"jjok: power off, status 0\r\n", 0, reported=None), session.NO_STATUS)

    def test_a_switch_reports_eight_bits_or_nothing(self):
        settings = Settings(arch="x86_64")
        with tempfile.TemporaryDirectory() as folder:
            archive = folder + "/archive"
            self.assertIsNone(status_reported(settings, archive, EXIT_SWITCHED))
            for written, returncode, status in ((b"\xc8", EXIT_SWITCHED, 200), (b"\0", EXIT_SWITCHED, 0), (b"\0", 0, None),
                                                (b"", EXIT_SWITCHED, None), (b"\0\0", EXIT_SWITCHED, None)):
                pathlib.Path(status_file(archive)).write_bytes(written)
                self.assertEqual(status_reported(settings, archive, returncode), status)
        self.assertEqual(status_reported(Settings(), archive, 7), 7)

    def test_a_program_that_never_ends_is_stopped(self):
        ending = session.run([sys.executable, "-c", "import time; print('jjok', flush=True); time.sleep(60)"], timeout=1,
                             at_timeout=lambda: "who waits\n")
        self.assertEqual(ending.status, session.TIMED_OUT)
        self.assertTrue(ending.output.endswith(b"jjok\nwho waits\n"), ending.output)
        self.assertLess(ending.seconds, 20)

    def test_firmware_is_hidden_and_line_ends_are_plain(self):
        with tempfile.TemporaryFile() as sink:
            session.run([sys.executable, "-c", r"print('OpenSBI\r\njjok: hi\r\njjok: power off, status 0\r')"], sink=sink)
            sink.seek(0)
            self.assertEqual(sink.read(), b"jjok: hi\njjok: power off, status 0\n")

    def test_typist(self):
        program = "import sys\nprint('jjok $ ', flush=True)\nline = sys.stdin.readline()\nprint('got', line)"
        typist = session.Typist([(re.compile(rb"\$ $", re.M), b"hello\n")])
        ending = session.run([sys.executable, "-c", program], typist=typist, timeout=20)
        self.assertIn(b"got hello", ending.output)


class TestFileTest(unittest.TestCase):
    def spec(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "x.test")
            path.write_text(text)
            return test_runner.spec_read(path)

    def test_fields_and_continued_lines(self):
        spec = self.spec("# comment\ncmd: a; b\n   c | d\nexpect:\n  ^x: y$\nstatus: 2\n")
        self.assertEqual(spec, {"cmd": ["a; b", "c | d"], "expect": ["^x: y$"], "status": ["2"]})
        for text in ("  loose\n", "nonsense: 1\n", "no colon\n"):
            with self.assertRaises(UsageError):
                self.spec(text)

    def test_modes_tell_the_architecture(self):
        archs = ["riscv64", "x86_64"]
        path = pathlib.Path("x.test")
        self.assertEqual(test_runner.modes_of(path, {"modes": ["sv39 la57"]}, archs), [("riscv64", "sv39"), ("x86_64", "la57")])
        self.assertEqual([mode for _, mode in test_runner.modes_of(path, {}, archs)], ["sv39", "sv48", "sv57", "la48", "la57"])
        self.assertEqual(test_runner.modes_of(path, {"modes": ["sv39 la57"]}, ["x86_64"]), [("x86_64", "la57")])
        with self.assertRaises(UsageError):
            test_runner.modes_of(path, {"modes": ["sv40"]}, archs)

    def test_any_difference_is_one(self):
        self.assertEqual(test_runner.difference(["a", "b"], ["a", "b"]), "")
        self.assertIn("line 2", test_runner.difference(["a", "b"], ["a", "c"]))
        self.assertIn("line 2", test_runner.difference(["a"], ["a", "b"]))
        self.assertIn("line 1", test_runner.difference(["a"], []))

    def check(self, output, status=0, **spec):
        return test_runner.console_check(spec, session.Ending(status, "", output, 0.0))

    def test_console(self):
        good = b"one\r\ntwo\r\njjok: self-check: ok\r\n"
        self.assertEqual(self.check(good, expect=["^one$", "^two$"]), "")
        self.assertIn("not found", self.check(good, expect=["^two$", "^one$"]))
        self.assertIn("must not", self.check(good, reject=["tw."]))
        self.assertIn("must not", self.check(b"jjok: panic: x\n" + good))
        self.assertIn("status", self.check(good, status=1))
        self.assertIn("self-check", self.check(b"one\n"))


class SetupTest(unittest.TestCase):
    def test_pins(self):
        for pin in fetch.pins_read():
            self.assertRegex(pin["sha256"], r"^[0-9a-f]{64}$")

    def test_both_source_formats(self):
        listed = list(fetch.stanzas_of_list("# x\ndeb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main\n"))
        self.assertEqual(listed, [{"uris": "http://m/debian", "suites": "bookworm", "signed-by": "/k.gpg"}])
        text = "# c\nTypes: deb\n# c\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nSigned-By:\n BEGIN\n .\n END\n\n" \
               "Enabled: no\nTypes: deb\nURIs: http://n\nSuites: x\n"
        found = list(fetch.stanzas_of_deb822(text))
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["signed-by"], "\n BEGIN\n .\n END")


class LintTest(unittest.TestCase):
    def complaints(self, path, text):
        check = lint.Lint()
        lines = text.splitlines()
        for rule in (lint.check_includes, lint.check_conditionals, lint.check_names, lint.check_sizes, lint.check_text):
            rule(check, pathlib.Path(path), lines)
        return [re.search(r"\[(\w+)\]$", c).group(1) for c in check.complaints]

    def test_rules(self):
        for path, text, wanted in (
                ("user/app/x.c", "#include <mm/page.h>", ["include"]),
                ("user/app/x.c", "#include <stdio.h>\n#include <lib/base/types.h>", []),
                ("mm/x.c", "#include <stdio.h>", ["include"]),
                ("mm/x.c", "struct thread *t;", ["mm"]),
                ("kernel/x.c", "#include <abi/kernel.h>\n#include <mm/page.h>", []),
                ("lib/base/x.c", "#include <abi/kernel.h>", ["include"]),
                ("kernel/x.c", "#if 1", ["if"]),
                ("arch/riscv/x.c", "#if 1", []),
                ("kernel/x.c", "// TO" + "DO", ["unfinished"]),
                ("kernel/x.c", "int f(void)\n{\n" + "\tx();\n" * 81 + "}", ["function"]),
                ("kernel/x.c", "int f(void)\n{\n" + "\tx();\n" * 80 + "}", []),
                ("kernel/x.c", "\t" * 15 + "x", ["columns"])):
            self.assertEqual(self.complaints(path, text), wanted, (path, text[:40]))


if __name__ == "__main__":
    unittest.main()
