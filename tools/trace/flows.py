# SPDX-License-Identifier: MIT
"""
What a trace says about faults and messages, gathered in one pass.

A fault lives from its `fault` (or `exception`) to the `fault_done` with its thread in the reply word; a message from `call` to the
`reply` with the same reply word. Both may be answered long after other work (parked), so reply words pair them, not the flow of the
answering thread. In between, the events of the fault's flow follow each other: each step is one stage, and the steps add up to the whole.
A fault that is never answered ends when its thread does (`object_free`): killed.
"""
from collections import Counter, defaultdict

from decode import THREAD_MASK, Names
from major import Majors

ENTRY_MASK = 0xff


class Stage:
    """Instructions spent in one step."""
    __slots__ = ("count", "total", "low", "high")

    def __init__(self):
        self.count, self.total, self.low, self.high = 0, 0, 1 << 64, 0

    def add(self, value):
        self.count += 1
        self.total += value
        self.low = min(self.low, value)
        self.high = max(self.high, value)

    def mean(self):
        return self.total / self.count


class Fault:
    """A fault in progress."""
    __slots__ = ("thread", "flow", "kind", "start", "last_time", "last_step", "running", "syscalls", "steps", "done")

    def __init__(self, thread, flow, kind, start):
        self.thread, self.flow, self.kind, self.start = thread, flow, kind, start
        self.last_time, self.last_step, self.running, self.syscalls, self.steps, self.done = start, "fault", thread, 0, [], None


class Analysis:
    """Feed it every event in order, then finish()."""

    def __init__(self, abi):
        self.abi = abi
        self.names = Names(abi)
        self.majors = Majors(abi, self.names)
        self.counts = Counter()
        self.read = 0
        self.open = {}          # thread -> Fault not answered yet
        self.flows = {}         # flow -> Fault whose steps are followed, also a little beyond its answer
        self.latest = {}        # thread -> its last Fault
        self.kinds = defaultdict(Stage)
        self.stages = defaultdict(Stage)
        self.endings = Counter()
        self.syscalls_per_fault = Counter()
        self.spurious = Counter()
        self.calls = {}         # reply word -> (client, server, label, time)
        self.pairs = defaultdict(Stage)   # (client, server, operation) -> round trips
        self.pair_counts = Counter()
        self.examples = {}      # kind -> (longest, flow)
        self.handlers = {abi.event_ids[name]: getattr(self, f"on_{name}") for name in (
            "fault", "exception", "fault_done", "fault_spurious", "call", "reply", "sys_enter", "name", "object_free")}

    def feed(self, event):
        self.read += 1
        self.counts[event[1]] += 1
        self.majors.feed(event)
        fault = self.flows.get(event[4])
        if fault:
            self.step(fault, event)
        handler = self.handlers.get(event[1])
        if handler:
            handler(event)

    # Faults

    def start(self, event, kind):
        time, _, _, thread, flow = event[:5]
        before = self.latest.get(thread)
        if before and before.done:
            self.close(before)
        fault = Fault(thread, flow, kind, time)
        self.open[thread] = self.flows[flow] = self.latest[thread] = fault

    def on_fault(self, event):
        access = self.abi.enum("ACCESS", event[6])
        self.start(event, f"{access} on {self.abi.enum('ENTRY', event[7] & ENTRY_MASK)}")

    def on_exception(self, event):
        self.start(event, f"exception {self.abi.enum('EXC', event[5])}")

    def on_fault_spurious(self, event):
        self.spurious[self.abi.enum("ACCESS", event[6])] += 1

    def step(self, fault, event):
        """Books the time since the fault's last event under who ran then."""
        name = self.abi.events[event[1]]["name"] if event[1] in self.abi.events else hex(event[1])
        who = "faulting thread" if fault.running == fault.thread else self.names.of(fault.running)
        fault.steps.append((who, fault.last_step, name, event[0] - fault.last_time))
        fault.last_time, fault.last_step = event[0], name
        fault.running = event[6] if name == "switch" else event[3]
        if fault.done and name == "switch":
            self.close(fault)

    def on_fault_done(self, event):
        fault = self.open.pop(event[7] & THREAD_MASK, None)
        if not fault:
            self.endings["answered without a beginning"] += 1
            return
        fault.done = event[0]
        self.endings["answered" if event[6] == 0 else f"refused {self.abi.error(event[6])}"] += 1
        total = event[0] - fault.start
        self.kinds[fault.kind].add(total)
        self.syscalls_per_fault[fault.syscalls] += 1
        if total > self.examples.get(fault.kind, (-1, 0))[0]:
            self.examples[fault.kind] = (total, fault.flow)
        if event[4] != fault.flow:  # parked and answered in the course of other work
            self.close(fault)

    def close(self, fault):
        """Its steps are complete: they count."""
        if self.flows.get(fault.flow) is fault:
            del self.flows[fault.flow]
            for who, before, after, spent in fault.steps:
                self.stages[who, before, after].add(spent)

    def on_sys_enter(self, event):
        fault = self.flows.get(event[4])
        if fault and not fault.done:
            fault.syscalls += 1

    def on_object_free(self, event):
        fault = self.open.pop(event[5], None)
        if fault:
            self.endings["ended with its thread"] += 1
            self.close(fault)
        self.names.current.pop(event[5], None)

    # Messages

    def on_call(self, event):
        time, label, reply = event[0], event[6], event[7]
        client, server, operation = self.names.of(reply & THREAD_MASK), self.names.of(event[5]), self.abi.label(label)
        self.calls[reply] = (client, server, operation, time)
        self.pair_counts[client, server, operation] += 1

    def on_reply(self, event):
        call = self.calls.pop(event[7], None)
        if call:
            self.pairs[call[:3]].add(event[0] - call[3])

    def on_name(self, event):
        self.names.learn(*event[5:8])

    def finish(self):
        """What is still open was cut off by the end of the trace."""
        for fault in list(self.flows.values()):
            if fault.done:
                self.close(fault)
        self.majors.finish()
        return self


def analyse(trace):
    analysis = Analysis(trace.abi)
    feed = analysis.feed
    for event in trace.events():
        feed(event)
    return analysis.finish()
