// SPDX-License-Identifier: MIT
// Time is the TSC; the timer is the local APIC's, one-shot. Neither's frequency is told anywhere that all machines
// have, so both are measured at boot against the one clock whose frequency is the same on every PC: the PIT.
#include "port.h"

#define PIT_HZ         1193182
#define PIT_CHANNEL2   0x42
#define PIT_COMMAND    0x43
#define PIT_ONESHOT2   0xb0 // channel 2, low and high byte, mode 0: output goes up at the end
#define PIT_GATE       0x61
#define GATE_ON        0x01
#define GATE_OUT       0x20
#define CALIBRATE_TICK 2386 // 2 ms
#define LAPIC_BY_128   0x0a
#define LAPIC_MASKED   0x10000
#define COUNT_MAX      0xffffffffu

static u64 lapic_hz; // of the divided clock

// The frequency that `counted` in CALIBRATE_TICK ticks of the PIT shows, to three digits: what is measured is not
// better.
static u64 frequency(u64 counted)
{
	u64 hz = counted * PIT_HZ / CALIBRATE_TICK, unit = 1;
	while (hz / unit >= 1000)
		unit *= 10;
	return (hz + unit / 2) / unit * unit;
}

static void calibrate(void)
{
	u32 gate = arch_port_in(PIT_GATE, 1) & ~3u;
	arch_port_out(PIT_GATE, 1, gate);
	arch_port_out(PIT_COMMAND, 1, PIT_ONESHOT2);
	arch_port_out(PIT_CHANNEL2, 1, CALIBRATE_TICK & 0xff);
	arch_port_out(PIT_CHANNEL2, 1, CALIBRATE_TICK >> 8);
	lapic_write(LAPIC_COUNT, COUNT_MAX);
	arch_port_out(PIT_GATE, 1, gate | GATE_ON);
	u64 start = arch_time();
	while (!(arch_port_in(PIT_GATE, 1) & GATE_OUT))
		arch_relax();
	u64 end = arch_time();
	u32 left = lapic_read(LAPIC_CURRENT);
	arch_port_out(PIT_GATE, 1, gate);
	x86_machine.timer_hz = frequency(end - start);
	lapic_hz = frequency(COUNT_MAX - left);
}

void timer_init(void)
{
	lapic_write(LAPIC_DIVIDE, LAPIC_BY_128);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_MASKED | VECTOR_TIMER);
	calibrate();
	lapic_write(LAPIC_COUNT, 0);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
}

u64 arch_timer_hz(void)
{
	return x86_machine.timer_hz;
}

// The count has 32 bits: a tick farther away takes several rounds (timer_fired).
static void timer_arm(u64 tick)
{
	u64 now = arch_time();
	u64 ahead = tick > now ? tick - now : 0;
	u64 most = (u64)COUNT_MAX * (x86_machine.timer_hz / lapic_hz);
	u64 count = ahead >= most ? COUNT_MAX : ahead * lapic_hz / x86_machine.timer_hz + 1;
	lapic_write(LAPIC_COUNT, count);
}

void arch_timer_set(u64 tick)
{
	this_hart()->timer_tick = tick;
	if (tick == ~0ul)
		lapic_write(LAPIC_COUNT, 0);
	else
		timer_arm(tick);
}

// The interrupt may come early by rounding, or because the tick is rounds away: then it is armed again.
void timer_fired(void)
{
	u64 tick = this_hart()->timer_tick;
	if (tick != ~0ul && arch_time() < tick)
		timer_arm(tick);
}
