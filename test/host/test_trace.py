# SPDX-License-Identifier: MIT
"""Tests of the trace tools on rings written by a small model of the kernel, and of what babeltrace2 makes of the result."""
import contextlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools/trace"))

import export  # noqa: E402
import logical  # noqa: E402
import rings  # noqa: E402
import summary  # noqa: E402
from layout import Abi  # noqa: E402
from rings import RingError  # noqa: E402

PAGE = 4096
MEM_BASE = 0x80000000
UUID = bytes(range(16))
APP, VM, FILES, ENDPOINT = 0x2000001, 0x2000002, 0x2000003, 0x2000004


def setUpModule():
    global ABI, ABI_PATH
    folder = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, folder)
    idl = sorted(os.path.join(ROOT, "lib/abi", f) for f in os.listdir(os.path.join(ROOT, "lib/abi")) if f.endswith(".idl"))
    subprocess.run([sys.executable, os.path.join(ROOT, "tools/idlc.py"), "--out", folder, *idl], check=True)
    ABI_PATH = os.path.join(folder, "abi/abi.json")
    ABI = Abi(ABI_PATH)


class Kernel:
    """Writes rings into a RAM file in the way kernel/trace.c does."""

    def __init__(self, path, harts=1, packets=4, wait=False, offset=5 * PAGE, size=1 << 20):
        self.path, self.wait, self.harts, self.packets, self.offset = path, wait, harts, packets, offset
        with open(path, "wb") as f:
            f.truncate(size)
            # a magic that is no header: the kernel's own text has one
            f.seek(PAGE + 24)
            f.write(struct.pack("<Q", ABI.consts["TRACE_MAGIC"]))
            f.seek(2 * PAGE)
            f.write(struct.pack("<QQ", ABI.consts["TRACE_MAGIC"], 1))
        self.file = open(path, "r+b", buffering=0)
        self.head, self.used, self.events, self.lost = [0] * harts, [0] * harts, [0] * harts, [0] * harts
        self.begin, self.last = [0] * harts, [0] * harts
        self.time = 1000
        header = {"magic": ABI.consts["TRACE_MAGIC"], "version": 1, "harts": harts, "ring_bytes": packets * PAGE,
                  "paddr": MEM_BASE + offset, "mem_base": MEM_BASE, "timebase": 10**9, "wait": int(wait)}
        for name, value in header.items():
            self.set(name, value)

    def at(self, name, hart=0):
        return self.offset + ABI.header.fields[name]["offset"] + 8 * hart

    def set(self, name, value, hart=0):
        os.pwrite(self.file.fileno(), struct.pack("<Q", value), self.at(name, hart))

    def tail(self, hart):
        return struct.unpack("<Q", os.pread(self.file.fileno(), 8, self.at("tail", hart)))[0]

    def packet_offset(self, hart):
        return self.offset + PAGE + (hart * self.packets + self.head[hart] % self.packets) * PAGE

    def write_header(self, hart):
        data = bytearray(ABI.packet.size)
        values = {"magic": 0xc1fc1fc1, "uuid": UUID, "stream": 0, "time_begin": self.begin[hart], "time_end": self.last[hart],
                  "content_bits": self.used[hart] * 8, "packet_bits": PAGE * 8, "discarded": self.lost[hart],
                  "sequence": self.head[hart], "hart": hart}
        for name, value in values.items():
            ABI.packet.put(data, 0, name, value)
        os.pwrite(self.file.fileno(), data, self.packet_offset(hart))

    def event(self, name, thread, flow, *words, hart=0, step=10):
        self.time += step
        if self.used[hart] == 0:
            while self.head[hart] - self.tail(hart) == self.packets:
                if not self.wait:
                    self.lost[hart] += 1
                    self.set("lost", self.lost[hart], hart)
                    return
                time.sleep(0)
            self.used[hart], self.begin[hart] = ABI.packet.size, self.time
            self.write_header(hart)
        record = ABI.unpacker.pack(self.time, ABI.event_ids[name], hart, thread, flow, *(list(words) + [0] * (3 - len(words))))
        os.pwrite(self.file.fileno(), record, self.packet_offset(hart) + self.used[hart])
        self.used[hart] += len(record)
        self.last[hart] = self.time
        self.events[hart] += 1
        self.set("events", self.events[hart], hart)
        if self.used[hart] + len(record) > PAGE:
            self.write_header(hart)
            self.head[hart] += 1
            self.used[hart] = 0
            self.set("head", self.head[hart], hart)

    def stop(self):
        for hart in range(self.harts):
            self.set("open", self.used[hart], hart)
        self.set("stopped", 1)

    def name(self, object_id, text):
        data = text.encode().ljust(16, b"\0")
        self.event("name", VM, 0, object_id, *struct.unpack("<QQ", data))

    def fault(self, flow, addr, access=1, old=0, done=True, server_flow=None, call=7):
        """One fault as the kernel reports it; server_flow: what the server works for when it answers late."""
        reply, answering = call << 32 | APP, flow if server_flow is None else server_flow
        self.event("fault", APP, flow, addr, access, old)
        self.event("call", APP, flow, VM, 0x10001, reply)
        self.event("switch", APP, flow, APP, VM, 2)
        self.event("sys_enter", VM, answering, 2, 16, 3, step=100)
        if done:
            self.event("map", VM, answering, addr, 9 << 32 | 0x80123, 7)
            self.event("reply", VM, answering, APP, 0, reply, step=50)
            self.event("fault_done", VM, answering, addr, 0, reply)
            self.event("switch", VM, answering, VM, APP, 2)

    def message(self, flow, label, result=0, call=8):
        reply = call << 32 | APP
        self.event("call", APP, flow, FILES, label, reply)
        self.event("reply", FILES, flow, APP, result, reply, step=200)


class Folder(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.ram, self.out = os.path.join(self.dir, "ram"), os.path.join(self.dir, "out")

    def kernel(self, **options):
        kernel = Kernel(self.ram, **options)
        self.addCleanup(kernel.file.close)
        return kernel

    def export(self):
        return export.Export(self.ram, self.out, ABI)

    def babeltrace(self):
        result = subprocess.run(["babeltrace2", "--clock-cycles", os.path.join(self.out, "ctf")], capture_output=True, text=True,
                                check=True)
        self.assertEqual(result.stderr, "")
        return result.stdout.splitlines()


class Exporting(Folder):
    def test_everything_is_read(self):
        kernel = self.kernel(harts=2)
        for i in range(150):
            kernel.event("user", APP, i, i, i * i, -i & (1 << 64) - 1, hart=i % 2)
        kernel.stop()
        counters = self.export().finish()
        self.assertEqual((counters["read"], counters["events"], counters["lost"]), (150, [75, 75], [0, 0]))
        lines = self.babeltrace()
        self.assertEqual(len(lines), 150)
        self.assertIn("user: { cpu_id = 1 }", lines[1])
        self.assertTrue(lines[149].endswith("{ a = 0x95, b = 0x56B9, c = 0xFFFFFFFFFFFFFF6B }"), lines[149])

    def test_names_stand_in_the_trace(self):
        kernel = self.kernel()
        kernel.name(APP, "sh")
        kernel.name(APP, "lua")
        kernel.name(VM, "vm")
        kernel.event("sys_enter", APP, 3, 23, 16, 0)
        kernel.event("call", APP, 3, VM, 0x20001, 0)
        kernel.event("call", APP, 3, VM, 0x20001, 0)
        kernel.event("reply", VM, 3, APP, (1 << 64) - 12, 0)
        kernel.event("fault", APP, 4, 0x1000, 1, 0)
        kernel.event("map", 0, 4, 0x1000, 2 << 32 | 0x80123, 0)
        kernel.stop()
        self.export().finish()
        text = "\n".join(self.babeltrace())
        for part in ('"sh/lua"', '"map" : container = 23', '"vm.mmap" : container = ', '"-NOMEM"', '"WRITE"', '"idle"',
                     "pfn = 0x80123, generation = 2"):
            self.assertIn(part, text)

    def test_draining_while_the_kernel_waits(self):
        """The ring holds 2 packets, the kernel writes 12: it waits for us, and nothing is lost."""
        kernel = self.kernel(packets=2, wait=True)
        total = 12 * 83 + 5

        def run():
            for i in range(total):
                kernel.event("user", APP, 0, i)
            kernel.stop()

        taking = self.export()
        self.assertTrue(taking.attach())
        thread = threading.Thread(target=run)
        thread.start()
        deadline = time.monotonic() + 60
        while not taking.rings.stopped() and time.monotonic() < deadline:
            taking.drain()
        thread.join()
        counters = taking.finish()
        self.assertEqual((counters["read"], counters["lost"], counters["overrun_packets"]), (total, [0], 0))
        words = [int(re.search(r"\ba = 0x([0-9A-F]+)", line)[1], 16) for line in self.babeltrace()]
        self.assertEqual(words, list(range(total)))

    def test_loss_is_counted(self):
        kernel = self.kernel(packets=2)
        for i in range(300):
            kernel.event("user", APP, 0, i)
        kernel.stop()
        counters = self.export().finish()
        self.assertEqual((counters["read"], counters["lost"]), (166, [134]))

    def test_packets_after_a_loss(self):
        kernel = self.kernel(packets=1)
        for i in range(100):
            kernel.event("user", APP, 0, i)
        taking = self.export()
        taking.attach()
        taking.drain()
        for i in range(83):
            kernel.event("user", APP, 0, i)
        kernel.stop()
        taking.finish()
        result = subprocess.run(["babeltrace2", os.path.join(self.out, "ctf")], capture_output=True, text=True, check=True)
        self.assertIn("discarded 17 events", result.stderr)

    def test_a_dead_machine_leaves_its_complete_packets(self):
        kernel = self.kernel()
        for i in range(100):
            kernel.event("user", APP, 0, i)
        counters = self.export().finish()
        self.assertEqual((counters["read"], counters["stopped"]), (83, False))
        self.assertEqual(len(self.babeltrace()), 83)

    def test_following_a_process(self):
        kernel = self.kernel()
        machine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"])
        kernel.event("user", APP, 0, 1)
        kernel.stop()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = export.main(["--ram", self.ram, "--out", self.out, "--pid", str(machine.pid), "--abi", ABI_PATH])
        machine.wait()
        self.assertEqual((status, out.getvalue()), (0, f"trace: 1 events in {self.out}/ctf\n"))
        self.assertEqual(len(self.babeltrace()), 1)

    def test_no_trace_is_said(self):
        with open(self.ram, "wb") as f:
            f.truncate(1 << 20)
        with self.assertRaisesRegex(RingError, "holds no trace"):
            self.export().finish()

    def test_damage_is_said(self):
        kernel = self.kernel()
        kernel.set("ring_bytes", 100)
        with self.assertRaisesRegex(RingError, "damaged"):
            self.export().finish()
        kernel.set("ring_bytes", 1 << 30)
        with self.assertRaisesRegex(RingError, "beyond the RAM file"):
            self.export().finish()
        kernel.set("ring_bytes", PAGE)
        kernel.event("user", APP, 0, 1)
        kernel.stop()
        kernel.set("open", 99)
        with self.assertRaisesRegex(RingError, "99 bytes"):
            self.export().finish()


class Summary(Folder):
    """What summary.py says about a trace."""

    def summary(self, kernel, *argv, stop=True):
        if stop:
            kernel.stop()
        self.export().finish()
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = summary.main([self.out, "--abi", ABI_PATH, *argv])
        return status, out.getvalue()

    def named(self, **options):
        kernel = self.kernel(**options)
        for object_id, text in ((APP, "lua"), (VM, "vm"), (FILES, "files")):
            kernel.name(object_id, text)
        return kernel

    def test_messages_and_faults(self):
        kernel = self.named(packets=8)
        for i in range(5):
            kernel.fault(10 + i, 0x1000 * i, call=i)
        kernel.fault(20, 0x9000, access=0, old=1 | 3 << 8)
        for i in range(3):
            kernel.message(30 + i, 0x30001, call=20 + i)
        kernel.event("fault_spurious", APP, 0, 0x1000, 1)
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        for pattern in (r"lua -> vm +pager\.fault +6 +170 +170", r"lua -> files +files\.open +3 +200 +200",
                        r"WRITE on EMPTY +5 +190 +190 +190 +950", r"READ on LEAF +1 +190", "1 WRITE", "6 answered, 0 open",
                        r"vm +switch -> sys_enter +6 +100 +100 +100 +50\.0 %", r"vm +fault_done -> switch +6 +10", r"\n +1 +6\n",
                        "58 events read, 58 written by the kernel, 0 lost", "consistent"):
            self.assertRegex(text, pattern)

    def major_fault(self, kernel, addr, waits=True):
        """A page from a disk: vm asks the driver (FILES plays it), which hears of the device and tells vm; the thread faults
        again. Without `waits` the disk answers before anybody has nothing to do."""
        reply = 7 << 32 | APP
        kernel.event("fault", APP, 10, addr, 0, ABI.enums["ENTRY"]["TOKEN"])
        kernel.event("switch", APP, 10, APP, VM, 2)                       # the thread: 10
        kernel.event("notify", VM, 10, 1, 1, FILES, step=100)             # vm: 100, and 30 behind it
        kernel.event("switch", VM, 10, VM, FILES, 2, step=30)
        kernel.event("sys_enter", FILES, 10, 30, 0, 0, step=200)          # the driver: 200, and 40
        if waits:
            kernel.event("switch", FILES, 10, FILES, 0, 2, step=40)
            kernel.event("irq", 0, 0, 8, FILES, step=5000)                # nobody: 5000
            kernel.event("switch", 0, 0, 0, FILES, 2, step=60)            # and 60
        else:
            kernel.event("irq", FILES, 10, 8, 0, step=40)
        kernel.event("notify", FILES, 10, 1, 1, VM, step=300)             # the driver: 300, and 20
        kernel.event("switch", FILES, 10, FILES, VM, 2, step=20)
        kernel.event("fault_done", VM, 10, addr, 0, reply, step=70)       # vm: 70
        kernel.event("switch", VM, 10, VM, APP, 2, step=15)
        kernel.event("fault", APP, 11, addr, 0, ABI.enums["ENTRY"]["TOKEN"], step=25)  # again: vm 15, the thread 25
        kernel.event("switch", APP, 11, APP, VM, 2, step=10)
        kernel.event("sys_enter", VM, 11, 2, 16, 3, step=90)              # vm: 90
        kernel.event("map", VM, 11, addr, 9 << 32 | 0x80123, 7, step=33)  # the mapping: 33, and 11
        kernel.event("fault_done", VM, 11, addr, 0, reply + (1 << 32), step=11)
        kernel.event("switch", VM, 11, VM, APP, 2)

    def test_a_page_from_a_disk(self):
        kernel = self.named()
        self.major_fault(kernel, 0x5000)
        kernel.fault(20, 0x9000)
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        for pattern in ("Pages from a disk: 1 faults", r"asks +the thread +1 +10 ", r"asks +vm +1 +130 ", r"asks +files +1 +240 ",
                        r"waits +\(the device\) +1 +5,060 ", r"answers +files +1 +320 ", r"answers +vm +1 +70 ",
                        r"maps +vm +1 +105 ", r"maps +the thread +1 +35 ", r"maps +kernel: map, resume +1 +44 ",
                        "flow 10 and then 11, 6,014 instructions"):
            self.assertRegex(text, pattern)

    def test_a_disk_that_answers_at_once(self):
        kernel = self.named()
        self.major_fault(kernel, 0x5000, waits=False)
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"asks +files +1 +240 ")
        self.assertRegex(text, r"answers +files +1 +320 ")
        self.assertNotIn("the device", text)

    def test_a_minor_fault_on_a_token_is_none(self):
        kernel = self.named()
        kernel.fault(10, 0x5000, old=ABI.enums["ENTRY"]["TOKEN"])
        kernel.fault(11, 0x5000, old=ABI.enums["ENTRY"]["TOKEN"])
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        self.assertNotIn("Pages from a disk", text)

    def test_a_parked_fault_is_paired_by_its_reply_word(self):
        kernel = self.named()
        kernel.fault(10, 0x1000, server_flow=99)
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        self.assertIn("1 answered, 0 open", text)

    def test_open_faults_fail(self):
        kernel = self.named()
        kernel.fault(77, 0x1000, done=False)
        status, text = self.summary(kernel)
        self.assertEqual(status, 1)
        self.assertIn("1 faults were never answered: flows 77", text)

    def test_a_killed_thread_closes_its_fault(self):
        kernel = self.named()
        kernel.fault(77, 0x1000, done=False)
        kernel.event("object_free", VM, 0, APP, 4)
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        self.assertIn("1 ended with its thread, 0 open", text)

    def test_refusals_and_exceptions(self):
        kernel = self.named()
        kernel.event("exception", APP, 5, 1, 0xbad, 0x10000)
        kernel.event("fault_done", VM, 5, 0, -14 & (1 << 64) - 1, 3 << 32 | APP)
        status, text = self.summary(kernel)
        self.assertEqual(status, 0, text)
        self.assertIn("exception ILLEGAL", text)
        self.assertIn("1 refused -FAULT", text)

    def test_missing_events_fail(self):
        kernel = self.named()
        kernel.set("events", 99)
        status, text = self.summary(kernel)
        self.assertEqual(status, 1)
        self.assertIn("3 events were read, but the kernel wrote 99", text)

    def test_no_clean_end_fails(self):
        kernel = self.named()
        for i in range(100):
            kernel.event("user", APP, 0, i)
        status, text = self.summary(kernel, stop=False)
        self.assertEqual(status, 1)
        self.assertIn("did not stop tracing", text)

    def test_one_flow(self):
        kernel = self.named()
        kernel.fault(10, 0x1000)
        kernel.message(11, 0x30001, -2 & (1 << 64) - 1)
        kernel.stop()
        status, text = self.summary(kernel, "--flow", "11", stop=False)
        self.assertEqual(status, 0)
        self.assertRegex(text, r"0 +0 +lua +call: to files, label files\.open, reply 0x802000001\n"
                               r" +200 +200 +files +reply: to lua, label -NOENT")
        self.assertNotIn("fault", text)
        self.assertEqual(self.summary(kernel, "--flow", "12", stop=False)[0], 1)

    def test_pictures(self):
        kernel = self.named()
        kernel.fault(10, 0x1000)
        page = os.path.join(self.dir, "flows.html")
        status, _ = self.summary(kernel, "--html", page)
        self.assertEqual(status, 0)
        with open(page, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("WRITE on EMPTY (flow 10): 200 cycles, 8 events", text)
        drawing = xml.etree.ElementTree.fromstring(re.search(r"<svg.*</svg>", text)[0])
        kinds = [e.get("class") for e in drawing.iter()]
        self.assertEqual((kinds.count("lane"), kinds.count("mark"), kinds.count("call"), kinds.count("reply")), (2, 8, 1, 1))


class LogicalTest(unittest.TestCase):
    """The same story at other addresses, with other frames, threads and times gives the same lines; another story does not."""

    def lines(self, base, generation, thread, pages=(0, 1), order=0):
        events = logical.Logical(ABI)
        mark = logical.MARK << 8

        def say(name, *words):
            events.feed((events.made, ABI.event_ids[name], 0, thread, 0, *words, *[0] * (3 - len(words))))
        say("user", mark | logical.AREA, base, 4)
        say("fault", base - PAGE, 1, 0)  # not in the area
        for page in pages:
            frame = generation << 32 | page + 77
            say("alloc", frame, order, 3)
            say("fault", base + page * PAGE + 8, 1, 0)
            say("map", base + page * PAGE, frame, 3)
            say("fault_done", base + page * PAGE + 8, 0, 1)
        say("unmap", base, generation << 32 | pages[0] + 77, 5)
        say("free", generation << 32 | pages[0] + 77, 0, 3)
        say("user", mark | logical.GONE, base, 4)
        say("user", mark | logical.END)
        say("fault", base, 1, 0)  # afterwards
        self.assertTrue(events.ended)
        return events.lines

    def test_sequence(self):
        first = self.lines(0x1000000, 1, 9)
        self.assertEqual(len(first), 12)
        self.assertEqual(first, self.lines(0x7FFF00000000, 40, 12))
        for change in ({"pages": (1, 0)}, {"pages": (0, 2)}, {"pages": (0,)}, {"order": 1}):
            self.assertNotEqual(first, self.lines(0x1000000, 1, 9, **change))

    def test_ram_files(self):
        for paddr, mem_base, offset in ((0x80205000, 0x80000000, 0x205000), (0x205000, 0x100000, 0x205000),
                                        (0x100005000, 0x100000, 0xC0005000)):
            self.assertIn(offset, rings.file_offsets(paddr, mem_base))


if __name__ == "__main__":
    unittest.main()
