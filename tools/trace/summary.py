#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Says what is in a trace that export.py wrote.

    summary.py DIR                 counts, messages per pair, faults by kind, instructions per stage; checks the trace
    summary.py DIR --flow ID       one flow, event by event
    summary.py DIR --html FILE     pictures of flows: lanes are threads, arrows are messages

Exit status 1: the trace disagrees with the kernel's counters, or a fault's flow is not closed. Times are cycles of the guest; under
-icount these are instructions.
"""
import argparse
import os
import sys

import picture
from decode import Names, Trace
from flows import analyse
from layout import DEFAULT_ABI, Abi

TOP = 40


def table(title, columns, rows, empty="none"):
    """Aligned columns: the first to the left, numbers to the right."""
    print(f"\n{title}")
    if not rows:
        print(f"  {empty}")
        return
    rows = [columns] + [[f"{c:,}" if isinstance(c, int) else f"{c:,.0f}" if isinstance(c, float) else str(c) for c in row]
                        for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    texts = [all(not row[i][:1].isdigit() for row in rows[1:]) for i in range(len(columns))]
    for row in rows:
        cells = [cell.ljust(width) if text else cell.rjust(width) for cell, width, text in zip(row, widths, texts)]
        print(("  " + "  ".join(cells)).rstrip())


def show_counts(analysis, counters, abi):
    rows = [[abi.events[i]["name"] if i in abi.events else hex(i), count] for i, count in analysis.counts.most_common()]
    table("Events", ["event", "count"], rows)
    written, lost = sum(counters["events"]), sum(counters["lost"])
    print(f"\n{analysis.read:,} events read, {written:,} written by the kernel, {lost:,} lost")


def show_messages(analysis):
    rows = []
    for (client, server, operation), count in sorted(analysis.pair_counts.items(), key=lambda item: (-item[1], item[0])):
        trips = analysis.pairs.get((client, server, operation))
        rows.append([f"{client} -> {server}", operation, count, trips.mean() if trips else "-", trips.high if trips else "-"])
    table(f"Messages ({sum(analysis.pair_counts.values()):,}; instructions from delivery to answer)",
          ["pair", "operation", "count", "mean", "longest"], rows[:TOP])
    if len(rows) > TOP:
        print(f"  and {len(rows) - TOP} more pairs")


def show_faults(analysis):
    rows = [[kind, s.count, s.mean(), s.low, s.high, s.total] for kind, s in sorted(analysis.kinds.items(), key=lambda i: -i[1].total)]
    table("Faults by access and old entry (instructions from the fault to its answer)",
          ["kind", "count", "mean", "least", "most", "total"], rows)
    if analysis.spurious:
        print("  resolved by the walk, without a message: " + ", ".join(f"{n:,} {a}" for a, n in analysis.spurious.items()))
    endings = [f"{n:,} {text}" for text, n in analysis.endings.most_common()] + [f"{len(analysis.open):,} open"]
    print("  " + ", ".join(endings))
    for kind, (total, flow) in sorted(analysis.examples.items()):
        print(f"  longest {kind}: {total:,} instructions, see --flow {flow}")
    rows = [[str(calls), count] for calls, count in sorted(analysis.syscalls_per_fault.items())]
    table("System calls made for a fault", ["calls", "faults"], rows)


def show_stages(analysis):
    whole = sum(s.total for s in analysis.stages.values()) or 1
    rows = [[who, f"{before} -> {after}", s.count, s.mean(), s.low, s.high, f"{100 * s.total / whole:.1f} %"]
            for (who, before, after), s in sorted(analysis.stages.items(), key=lambda item: -item[1].total)]
    table("Stages of a fault (who ran, between which events; instructions)",
          ["ran", "stage", "count", "mean", "least", "most", "share"], rows[:TOP])
    if len(rows) > TOP:
        print(f"  and {len(rows) - TOP} rarer stages")


def show_majors(analysis):
    rows, typical, room = analysis.majors.table()
    if not rows:
        return
    table(f"Pages from a disk: {len(analysis.majors.done):,} faults, by phase and by who ran (tools/trace/major.py)",
          ["phase", "who ran", "faults", "mean", "least", "most"], [list(row) for row in rows])
    for what, example in ("a typical one", typical), ("one that took memory below low, so that room was made", room):
        if example:
            flows, total, stages = example
            print(f"  {what}, flow {' and then '.join(str(flow) for flow in flows)}, {total:,} instructions:\n    "
                  + " -> ".join(f"{name} {spent:,}" for _, name, spent in stages))


def check(analysis, counters):
    """The promises of a trace: nothing missing, every fault closed."""
    problems = []
    written, lost = sum(counters["events"]), sum(counters["lost"])
    if not counters["stopped"]:
        problems.append("the kernel did not stop tracing (no clean power-off): the last packet of each hart is missing")
    elif analysis.read != written:
        problems.append(f"{analysis.read:,} events were read, but the kernel wrote {written:,}")
    if analysis.open and not lost:
        flows = ", ".join(str(f.flow) for f in list(analysis.open.values())[:8])
        problems.append(f"{len(analysis.open):,} faults were never answered: flows {flows}")
    if analysis.endings["answered without a beginning"] and not lost:
        problems.append(f"{analysis.endings['answered without a beginning']:,} faults were answered that never began")
    return problems


def show_flow(trace, flow):
    """Every event of one flow, with its distance to the one before."""
    names = Names(trace.abi)
    name_event = trace.abi.event_ids["name"]
    first = last = None
    for event in trace.events():
        if event[1] == name_event:
            names.learn(*event[5:8])
        if event[4] != flow:
            continue
        if first is None:
            first = last = event[0]
            print(f"flow {flow} from cycle {first:,}\n{'at':>10} {'+':>8}  {'thread':<16} event")
        print(f"{event[0] - first:>10,} {event[0] - last:>8,}  {names.of(event[3]):<16} {names.describe(event)}")
        last = event[0]
    if first is None:
        print(f"trace: no event of flow {flow}", file=sys.stderr)
        return 1
    return 0


def main(argv):
    parser = argparse.ArgumentParser(description="Summary of a trace")
    parser.add_argument("dir", help="folder that export.py wrote")
    parser.add_argument("--flow", type=lambda text: int(text, 0), metavar="ID", help="one flow, event by event")
    parser.add_argument("--html", metavar="FILE", help="pictures of the longest fault of each kind, or of --flow")
    parser.add_argument("--abi", default=DEFAULT_ABI, metavar="FILE", help="abi.json that tools/idlc.py generated")
    args = parser.parse_args(argv)
    try:
        trace = Trace(args.dir, Abi(args.abi))
        if args.flow is not None and not args.html:
            return show_flow(trace, args.flow)
        analysis = analyse(trace)
        if args.html:
            flows = {args.flow: "flow"} if args.flow is not None else {flow: kind for kind, (_, flow) in analysis.examples.items()}
            with open(args.html, "w", encoding="utf-8") as f:
                f.write(picture.page(trace, flows))
            print(f"trace: {len(flows)} flows drawn in {os.path.relpath(args.html)}")
            return 0
    except (OSError, ValueError) as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    show_counts(analysis, trace.counters, trace.abi)
    show_messages(analysis)
    show_faults(analysis)
    show_stages(analysis)
    show_majors(analysis)
    problems = check(analysis, trace.counters)
    print()
    for problem in problems:
        print(f"trace: {problem}")
    if not problems:
        print("trace: consistent: every event is there, every fault is closed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
