// SPDX-License-Identifier: MIT
// Time is the TSC; the timer is the local APIC's, one-shot. Neither's frequency is told anywhere that all machines
// have, so both are measured at boot against the one clock whose frequency is the same on every PC: the PIT.
#include "port.h"

#define PIT_HZ         1193182
#define PIT_CHANNEL0   0x40
#define PIT_COMMAND    0x43
#define PIT_ONESHOT    0x30 // channel 0, low and high byte, mode 0: counts down once
#define PIT_LATCH      0x00 // channel 0
#define PIT_COUNT_MAX  0xffff
#define CALIBRATE_TICK 2386 // 2 ms
#define EDGE_TICK      149  // an eighth of a ms: so far apart the clocks may be read at either end
#define READS_MAX      10000000
#define TRIES          100
#define LAPIC_BY_128   0x0a
#define LAPIC_MASKED   0x10000
#define COUNT_MAX      0xffffffffu

static u64 lapic_ticks; // ticks of time in one of the local APIC's divided clock, rounded up

static u32 pit_count(void)
{
	arch_port_out(PIT_COMMAND, 1, PIT_LATCH);
	u32 low = arch_port_in(PIT_CHANNEL0, 1);
	return low | arch_port_in(PIT_CHANNEL0, 1) << 8;
}

// The frequency that `counted` in `ticks` of the PIT shows, to three digits: what is measured is not better.
static u64 frequency(u64 counted, u32 ticks)
{
	u64 hz = counted * PIT_HZ / ticks, unit = 1;
	while (hz / unit >= 1000)
		unit *= 10;
	return (hz + unit / 2) / unit * unit;
}

/*
 * One measurement: PIT ticks, with what time and the local APIC counted meanwhile. 0: a host that stopped the machine
 * meanwhile has spoilt it; in a long stop the counter has gone round.
 */
static u32 measure(u64 *cycles, u32 *lapic)
{
	arch_port_out(PIT_COMMAND, 1, PIT_ONESHOT);
	arch_port_out(PIT_CHANNEL0, 1, PIT_COUNT_MAX & 0xff);
	arch_port_out(PIT_CHANNEL0, 1, PIT_COUNT_MAX >> 8);
	u32 first = pit_count(), last, reads = 0;
	lapic_write(LAPIC_COUNT, COUNT_MAX);
	u64 start = arch_time();
	u32 started = first - pit_count();
	do
		last = pit_count();
	while (last <= first && first - last < CALIBRATE_TICK && ++reads < READS_MAX);
	*cycles = arch_time() - start;
	*lapic = COUNT_MAX - lapic_read(LAPIC_CURRENT);
	u32 ended = last - pit_count();
	bool good = last < first && first - last < 2 * CALIBRATE_TICK && started < EDGE_TICK && ended < EDGE_TICK;
	return good ? first - last : 0;
}

static void calibrate(void)
{
	u64 cycles = 0;
	u32 lapic = 0, ticks = 0;
	for (u32 i = 0; i < TRIES && !ticks; i++)
		ticks = measure(&cycles, &lapic);
	if (!ticks)
		early_fatal("the PIT (ports 40 to 43) does not count, or the host stops the machine all the time: "
			    "there is no clock of known frequency");
	x86_machine.timer_hz = frequency(cycles, ticks);
	u64 lapic_hz = frequency(lapic, ticks);
	lapic_ticks = (x86_machine.timer_hz + lapic_hz - 1) / lapic_hz;
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
	u64 count = ahead / lapic_ticks + 1;
	lapic_write(LAPIC_COUNT, count < COUNT_MAX ? count : COUNT_MAX);
}

// An interrupt of the local APIC is an edge: it is over, and timer_fired has armed it again.
void arch_timer_early(u64 tick)
{
	(void)tick;
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
