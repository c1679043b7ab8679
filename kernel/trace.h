// SPDX-License-Identifier: MIT
// Trace rings, the kernel's side. Layout: lib/abi/60-trace.idl; the host's side: tools/trace.
#pragma once

#include <lib/base/trace.h>

// Boot: the ring area (trace_header page, then one ring of `ring_bytes` for each hart), physically contiguous.
void trace_init(struct trace_header *area, u64 ring_bytes, bool wait, u64 mask);
u64 trace_set_mask(u64 mask); // returns the old one
// Whoever got its name while nobody listened is introduced when it next runs.
extern u32 trace_epoch; // one more each time tracing begins
struct thread;
void trace_introduce(struct thread *t);
void trace_stat(u64 out[4]); // events, lost, ring bytes, mask
void trace_stop(void);       // everything is in the ring; nothing is written any more
// The last events of this hart, newest last, for panics.
void trace_tail(u32 count, void (*show)(const struct trace_event *e));
