# SPDX-License-Identifier: MIT
"""Flows as pictures: one lane per thread, a bar where it ran for the flow, an arrow for each message."""
import html

from decode import Names

WIDTH, LEFT, RIGHT, LANE, TOP, BAR = 1100, 150, 30, 54, 34, 14
MAX_EVENTS = 4000

HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Jjok: flows</title>
<style>
body { font: 14px sans-serif; margin: 2em; max-width: 1160px; color: #222; background: #fff; }
svg { width: 100%; height: auto; border: 1px solid #ddd; }
text { font: 11px sans-serif; fill: #333; }
.lane { stroke: #e4e4e4; } .name { font-weight: bold; font-size: 12px; } .ran { fill: #9cc3e6; stroke: #4a86b8; }
.call { stroke: #b3541e; } .reply { stroke: #2e7d4f; } .mark { fill: #555; } .axis { fill: #888; }
path { fill: none; stroke-width: 1.4; } .head-call { fill: #b3541e; } .head-reply { fill: #2e7d4f; }
</style></head><body>
<h1>Flows</h1>
<p>A lane is a thread, a bar the time in which it (or the kernel for it) worked for the flow; orange arrows are requests,
green ones answers. Hover a dot for its event. The scale is cycles of the guest; under <code>-icount</code> these are instructions.</p>
"""


def collect(trace, flows):
    """flow -> [(event, description)], with the names of the moment."""
    names = Names(trace.abi)
    name_event = trace.abi.event_ids["name"]
    found = {flow: [] for flow in flows}
    lanes = {flow: {} for flow in flows}
    for event in trace.events():
        if event[1] == name_event:
            names.learn(*event[5:8])
        rows = found.get(event[4])
        if rows is not None and len(rows) < MAX_EVENTS:
            rows.append((event, names.describe(event)))
            for thread in threads_of(trace.abi, event):
                lanes[event[4]].setdefault(thread, names.of(thread))
    return found, lanes


def threads_of(abi, event):
    """Who takes part in an event: the thread that runs, and the one a message or switch goes to."""
    name = abi.events[event[1]]["name"] if event[1] in abi.events else ""
    if name in ("call", "reply"):
        return [event[3], event[5]]
    return [event[6]] if name == "switch" else [event[3]]


class Drawing:
    """The SVG of one flow."""

    def __init__(self, abi, rows, lanes):
        self.abi, self.rows, self.order = abi, rows, {thread: i for i, thread in enumerate(lanes)}
        self.lanes = lanes
        self.start, self.end = rows[0][0][0], max(rows[-1][0][0], rows[0][0][0] + 1)
        self.out = []

    def x(self, time):
        return LEFT + (time - self.start) * (WIDTH - LEFT - RIGHT) / (self.end - self.start)

    def y(self, thread):
        return TOP + LANE * self.order[thread] + LANE / 2

    def draw(self):
        height = TOP + LANE * len(self.order) + 10
        for thread, name in self.lanes.items():
            y = self.y(thread)
            self.out.append(f'<line class="lane" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                            f'<text class="name" x="8" y="{y + 4:.1f}">{html.escape(name)}</text>')
        for tick in range(5):
            time = self.start + (self.end - self.start) * tick // 4
            self.out.append(f'<text class="axis" x="{self.x(time):.1f}" y="16" text-anchor="middle">{time - self.start:,}</text>')
        self.bars()
        for event, text in self.rows:
            self.event(event, text)
        return f'<svg viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg">{"".join(self.out)}</svg>'

    def bars(self):
        """Between two events of the flow the thread of the first ran, or the one it switched to."""
        for (event, _), (after, _) in zip(self.rows, self.rows[1:]):
            thread = threads_of(self.abi, event)[0]
            left, right = self.x(event[0]), self.x(after[0])
            self.out.append(f'<rect class="ran" x="{left:.1f}" y="{self.y(thread) - BAR / 2}" width="{right - left:.1f}" height="{BAR}"/>')

    def event(self, event, text):
        x, y = self.x(event[0]), self.y(threads_of(self.abi, event)[0])
        name = self.abi.events[event[1]]["name"] if event[1] in self.abi.events else ""
        if name in ("call", "reply") and event[5] != event[3]:
            self.arrow(x, self.y(event[3]), self.y(event[5]), name)
        at = f"+{event[0] - self.start:,} {text}"
        self.out.append(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{html.escape(at)}</title></circle>')

    def arrow(self, x, start, end, kind):
        tip = 7 if end > start else -7
        self.out.append(f'<path class="{kind}" d="M{x:.1f} {start:.1f} L{x:.1f} {end - tip:.1f}"/>'
                        f'<path class="head-{kind}" d="M{x - 4:.1f} {end - tip:.1f} L{x + 4:.1f} {end - tip:.1f} L{x:.1f} {end:.1f} Z"/>')


def section(abi, flow, title, rows, lanes):
    listing = "\n".join(f"{event[0] - rows[0][0][0]:>9,}  {text}" for event, text in rows)
    return (f"<h2>{html.escape(title)} (flow {flow}): {rows[-1][0][0] - rows[0][0][0]:,} cycles, {len(rows)} events</h2>\n"
            f"{Drawing(abi, rows, lanes).draw()}\n<details><summary>events</summary><pre>{html.escape(listing)}</pre></details>\n")


def page(trace, flows):
    """A web page that needs nothing else; flows: flow id -> title."""
    found, lanes = collect(trace, flows)
    out = [HEAD]
    for flow, title in flows.items():
        if found[flow]:
            out.append(section(trace.abi, flow, title, found[flow], lanes[flow]))
        else:
            out.append(f"<h2>{html.escape(title)} (flow {flow}): no events</h2>\n")
    return "".join(out) + "</body></html>\n"
