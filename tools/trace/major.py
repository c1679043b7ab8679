# SPDX-License-Identifier: MIT
"""
Faults whose page comes from a disk, from the fault to the moment the thread goes on, split by who ran.

Such a fault is mostly answered with the mapping when its page has been read. Else (several waited for it, or something changed
meanwhile) its thread faults once more and gets the page then: two faults of one thread at one page, the second right after the
first. Who takes part is known by the flow: a notification carries it from server to server, and a record in a ring says it again
behind the device's interrupt. Each instruction of the time in between is booked under the thread that ran (what the kernel does
counts as the thread's in whose time it does it), in one of these phases:

	asks       up to the first wait: vm, reclaim, rmap and the driver, in which the request goes to the device
	waits      nobody runs, or threads that have nothing to do with it do
	meanwhile  what those who take part did between two waits
	answers    from the last wait on: the driver hears of it, and the page goes up to vm
	maps       the system call by which vm has the page mapped; a second fault of the thread, if there was one
"""
from collections import defaultdict

from decode import THREAD_MASK

ENTRY_MASK = 0xff
PAGE_SHIFT = 12
PHASES = ("asks", "waits", "meanwhile", "answers", "maps")
IDLE = 0
ROOM = "rmap"  # is asked when pages have to go, so that others can come
MAPPING = -1  # in place of a thread: the system call that maps


class Major:
    """A fault on a token: it may become one."""
    __slots__ = ("thread", "page", "flows", "start", "end", "open", "again", "who", "segments", "tail")

    def __init__(self, thread, page, flow, start):
        self.thread, self.page, self.flows, self.start, self.end = thread, page, [flow], start, start
        self.open = True     # not answered
        self.again = False   # it was, and the thread faults once more
        self.who = {thread}  # threads that took part
        self.segments = []   # [thread, instructions, in the second fault?]
        self.tail = []       # the same since the answer: they count if the thread faults there again

    def book(self, thread, spent):
        (self.segments if self.open else self.tail).append((thread, spent, self.again))

    def not_mapped(self, thread):
        """The thread's system call, which was taken for the one that maps this page, did not."""
        self.segments = [(thread if who == MAPPING else who, spent, again) for who, spent, again in self.segments]

    def go_on(self, flow):
        self.flows.append(flow)
        self.segments += self.tail
        self.tail = []
        self.open = True

    def answered(self, time):
        self.open, self.again, self.end = False, True, time


def phases(major):
    """[(phase, thread, instructions)] in order, a thread once in each phase."""
    def waits(segment):
        return segment[0] not in major.who and segment[0] != MAPPING
    first_part = [s for s in major.segments if not s[2] and s[0] != MAPPING]
    waiting = [i for i, segment in enumerate(first_part) if waits(segment)]
    sums = {}
    for i, (thread, spent, again) in enumerate(major.segments):
        if again or thread == MAPPING:
            key = ("maps", thread)
        elif i in waiting:
            key = ("waits", IDLE)
        elif not waiting or i < waiting[0]:
            key = ("asks", thread)
        else:
            key = ("meanwhile" if i < waiting[-1] else "answers", thread)
        sums[key] = sums.get(key, 0) + spent
    return sorted(((phase, thread, spent) for (phase, thread), spent in sums.items()), key=lambda row: PHASES.index(row[0]))


class Majors:
    """Feed it every event in order, then finish()."""

    def __init__(self, abi, names):
        self.id, self.names = abi.event_ids, names
        self.faults = {}                         # thread -> Major that is open, or may go on
        self.done = []                           # (flows, total, [(phase, name, instructions)])
        self.last = defaultdict(lambda: (0, 0))  # hart -> (time of its last event, who ran from then on)
        self.mapping = {}                        # hart -> the thread that is in the system call that maps
        self.token = abi.enums["ENTRY"]["TOKEN"]
        self.maps = next(number for number, name in abi.syscalls.items() if name == "reply_map_recv")

    def feed(self, event):
        time, kind, hart, thread, flow = event[:5]
        before, ran = self.last[hart]
        for major in self.faults.values():
            major.book(ran, time - before)
            if kind == self.id["irq"]:
                major.book(IDLE, 0)  # a disk that answers at once: the wait is over before it began
            if flow in major.flows:
                major.who.add(thread)
        if kind == self.id["fault"]:
            self.fault(event)
        elif kind == self.id["fault_done"]:
            self.answered(event[7] & THREAD_MASK, time)
            self.not_mapped(self.mapping.get(hart), but=event[7] & THREAD_MASK)
        elif kind == self.id["sys_exit"]:
            self.not_mapped(self.mapping.pop(hart, None))
        elif kind == self.id["object_free"]:
            self.faults.pop(event[5], None)
        self.last[hart] = (time, self.runs(event))

    def not_mapped(self, mapper, but=None):
        """A system call that might have mapped any page mapped that of one thread, or none."""
        for thread, major in self.faults.items() if mapper else ():
            if thread != but:
                major.not_mapped(mapper)

    def runs(self, event):
        """Who runs from here on."""
        _, kind, hart, thread, _, nr, to = event[:7]
        if kind == self.id["sys_enter"] and nr == self.maps:
            self.mapping[hart] = thread
        elif kind in (self.id["switch"], self.id["fault_done"]):
            self.mapping.pop(hart, None)
        return to if kind == self.id["switch"] else MAPPING if self.mapping.get(hart) == thread else thread

    def fault(self, event):
        time, _, _, thread, flow, addr, _, old = event
        known = self.faults.get(thread)
        on_token = old & ENTRY_MASK == self.token
        if known and known.page == addr >> PAGE_SHIFT and on_token:
            known.go_on(flow)
            return
        if known:
            self.close(self.faults.pop(thread))
        if on_token:
            self.faults[thread] = Major(thread, addr >> PAGE_SHIFT, flow, time)

    def answered(self, thread, time):
        major = self.faults.get(thread)
        if major and major.open:
            major.answered(time)

    def close(self, major):
        """Others than the pager took part: it came from somewhere else."""
        if major.open or len(major.who) < 3:
            return
        rows = [(phase, self.name(major, phase, thread), spent) for phase, thread, spent in phases(major) if spent]
        self.done.append((major.flows, major.end - major.start, rows))

    def name(self, major, phase, thread):
        if phase == "waits":
            return "(the device)"
        if thread == MAPPING:
            return "kernel: map, resume"
        return "the thread" if thread == major.thread else self.names.of(thread)

    def finish(self):
        for major in self.faults.values():
            self.close(major)
        self.faults.clear()

    def table(self):
        """Rows (phase, who, faults, mean, least, most) in order; the fault of median length, and that of those in which room had
        to be made, or none."""
        if not self.done:
            return [], None, None
        sums = {}
        for _, _, rows in self.done:
            for phase, name, spent in rows:
                sums.setdefault((phase, name), []).append(spent)
        order = sorted(sums, key=lambda key: PHASES.index(key[0]))
        rows = [(phase, name, len(v), sum(v) / len(v), min(v), max(v)) for phase, name in order for v in [sums[phase, name]]]
        busy = sorted(self.done, key=lambda one: sum(row[2] for row in one[2] if row[0] != "waits"))
        room = [one for one in busy if any(row[1] == ROOM for row in one[2])]
        return rows, busy[len(busy) // 2], room[len(room) // 2] if room else None
