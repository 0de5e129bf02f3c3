//! The goldfish real-time clock: nanoseconds since 1970, and one alarm.
//!
//! Source: Android's goldfish platform, "GOLDFISH VIRTUAL HARDWARE", section on the RTC; and
//! what Linux's `rtc-goldfish` relies on. 4-byte registers.

use super::merge;
use crate::bus::{Ctx, Device};
use crate::irq::Lines;
use crate::mem::Width;
use crate::time::{NANOS_PER_TICK, Ticks};

const TIME_LOW: u64 = 0x00;
const TIME_HIGH: u64 = 0x04;
const ALARM_LOW: u64 = 0x08;
const ALARM_HIGH: u64 = 0x0c;
const IRQ_ENABLED: u64 = 0x10;
const CLEAR_ALARM: u64 = 0x14;
const ALARM_STATUS: u64 = 0x18;
const CLEAR_INTERRUPT: u64 = 0x1c;

/// The clock.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Rtc {
    irq: u32,
    /// Nanoseconds since 1970 when guest time was 0; wraps.
    offset: u64,
    /// The upper half of the time that `TIME_LOW` was last read from.
    time_high: u32,
    alarm: u64,
    running: bool,
    irq_enabled: bool,
    irq_pending: bool,
}

impl Rtc {
    /// A clock that shows `epoch` seconds since 1970 at guest time 0 and drives the wire `irq`.
    pub fn new(epoch: u64, irq: u32) -> Self {
        Self {
            irq,
            offset: epoch.wrapping_mul(1_000_000_000),
            time_high: 0,
            alarm: 0,
            running: false,
            irq_enabled: false,
            irq_pending: false,
        }
    }

    /// Nanoseconds since 1970 at `now`.
    pub fn nanos(&self, now: Ticks) -> u64 {
        now.0.wrapping_mul(NANOS_PER_TICK).wrapping_add(self.offset)
    }

    /// When the alarm goes off, if it is set: never before `now`.
    pub fn deadline(&self, now: Ticks) -> Option<Ticks> {
        if !self.running {
            return None;
        }
        let left = self.alarm.saturating_sub(self.nanos(now));
        Some(now.after(Ticks(left.div_ceil(NANOS_PER_TICK))))
    }

    /// Lets the alarm go off if its time has come.
    pub fn tick(&mut self, now: Ticks, lines: &mut Lines) {
        if self.running && self.alarm <= self.nanos(now) {
            self.running = false;
            self.irq_pending = true;
        }
        lines.set(self.irq, self.irq_pending && self.irq_enabled);
    }

    /// Sets the clock, so that it shows `nanos` at `now`.
    fn set(&mut self, nanos: u64, now: Ticks) {
        self.offset = nanos.wrapping_sub(now.0.wrapping_mul(NANOS_PER_TICK));
    }
}

impl Device for Rtc {
    fn read(&mut self, offset: u64, _: Width, cx: &mut Ctx<'_>) -> u64 {
        self.tick(cx.now, cx.lines);
        match offset {
            TIME_LOW => {
                let nanos = self.nanos(cx.now);
                self.time_high = (nanos >> 32) as u32;
                nanos & 0xffff_ffff
            }
            TIME_HIGH => u64::from(self.time_high),
            ALARM_LOW => self.alarm & 0xffff_ffff,
            ALARM_HIGH => self.alarm >> 32,
            IRQ_ENABLED => u64::from(self.irq_enabled),
            ALARM_STATUS => u64::from(self.running),
            _ => 0,
        }
    }

    fn write(&mut self, offset: u64, _: Width, value: u64, cx: &mut Ctx<'_>) {
        self.tick(cx.now, cx.lines);
        match offset {
            TIME_LOW => self.set(merge(self.nanos(cx.now), 0, 4, value), cx.now),
            TIME_HIGH => self.set(merge(self.nanos(cx.now), 4, 4, value), cx.now),
            ALARM_LOW => {
                // The upper half is written first; this write sets the alarm.
                self.alarm = merge(self.alarm, 0, 4, value);
                self.running = true;
            }
            ALARM_HIGH => self.alarm = merge(self.alarm, 4, 4, value),
            IRQ_ENABLED => self.irq_enabled = value & 1 != 0,
            CLEAR_ALARM => self.running = false,
            CLEAR_INTERRUPT => self.irq_pending = false,
            _ => {}
        }
        self.tick(cx.now, cx.lines);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;

    const IRQ: u32 = 11;
    const EPOCH: u64 = 1_700_000_000;

    fn read64(bench: &mut Bench, rtc: &mut Rtc, low: u64) -> u64 {
        bench.read(rtc, low, Width::B4) | bench.read(rtc, low + 4, Width::B4) << 32
    }

    fn set_alarm(bench: &mut Bench, rtc: &mut Rtc, nanos: u64) {
        bench.write(rtc, ALARM_HIGH, Width::B4, nanos >> 32);
        bench.write(rtc, ALARM_LOW, Width::B4, nanos & 0xffff_ffff);
    }

    #[test]
    fn time_is_epoch_plus_guest_time() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(EPOCH, IRQ));
        bench.now = Ticks(25_000_000);
        let nanos = read64(&mut bench, &mut rtc, TIME_LOW);
        assert_eq!(nanos, EPOCH * 1_000_000_000 + 2_500_000_000);
    }

    #[test]
    fn upper_half_belongs_to_the_last_lower_half_read() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(4, IRQ));
        // 4.294967200 s: 96 ns before the lower half wraps.
        bench.now = Ticks(2_949_672);
        assert_eq!(bench.read(&mut rtc, TIME_LOW, Width::B4), 4_294_967_200);
        bench.now = Ticks(2_949_673);
        assert_eq!(bench.read(&mut rtc, TIME_HIGH, Width::B4), 0);
        assert_eq!(bench.read(&mut rtc, TIME_LOW, Width::B4), 4);
        assert_eq!(bench.read(&mut rtc, TIME_HIGH, Width::B4), 1);
    }

    #[test]
    fn clock_can_be_set() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(EPOCH, IRQ));
        let nanos: u64 = 0x1122_3344_5566_7788;
        bench.now = Ticks(1000);
        bench.write(&mut rtc, TIME_HIGH, Width::B4, nanos >> 32);
        bench.write(&mut rtc, TIME_LOW, Width::B4, nanos & 0xffff_ffff);
        assert_eq!(read64(&mut bench, &mut rtc, TIME_LOW), nanos);
        bench.now = Ticks(1001);
        assert_eq!(read64(&mut bench, &mut rtc, TIME_LOW), nanos + 100);
    }

    #[test]
    fn alarm_raises_the_wire_once_enabled_until_cleared() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(0, IRQ));
        bench.write(&mut rtc, IRQ_ENABLED, Width::B4, 1);
        set_alarm(&mut bench, &mut rtc, 1_050);
        assert_eq!(bench.read(&mut rtc, ALARM_STATUS, Width::B4), 1);
        assert_eq!(rtc.deadline(Ticks(0)), Some(Ticks(11)));
        rtc.tick(Ticks(10), &mut bench.lines);
        assert!(!bench.lines.is_high(IRQ));
        rtc.tick(Ticks(11), &mut bench.lines);
        assert!(bench.lines.is_high(IRQ));
        assert_eq!(rtc.deadline(Ticks(11)), None);
        bench.now = Ticks(11);
        assert_eq!(bench.read(&mut rtc, ALARM_STATUS, Width::B4), 0);
        bench.write(&mut rtc, CLEAR_INTERRUPT, Width::B4, 1);
        assert!(!bench.lines.is_high(IRQ));
    }

    #[test]
    fn alarm_in_the_past_goes_off_at_once() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(EPOCH, IRQ));
        set_alarm(&mut bench, &mut rtc, 5);
        assert!(!bench.lines.is_high(IRQ), "not enabled");
        bench.write(&mut rtc, IRQ_ENABLED, Width::B4, 1);
        assert!(bench.lines.is_high(IRQ));
    }

    #[test]
    fn cleared_alarm_never_goes_off() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(0, IRQ));
        bench.write(&mut rtc, IRQ_ENABLED, Width::B4, 1);
        set_alarm(&mut bench, &mut rtc, 1_000);
        bench.write(&mut rtc, CLEAR_ALARM, Width::B4, 1);
        assert_eq!(rtc.deadline(Ticks(0)), None);
        rtc.tick(Ticks(1_000_000), &mut bench.lines);
        assert!(!bench.lines.is_high(IRQ));
    }

    #[test]
    fn write_only_registers_and_holes_read_zero() {
        let (mut bench, mut rtc) = (Bench::new(), Rtc::new(EPOCH, IRQ));
        for offset in [CLEAR_ALARM, CLEAR_INTERRUPT, 0x20, 0xffc] {
            assert_eq!(bench.read(&mut rtc, offset, Width::B4), 0, "{offset:#x}");
        }
        let before = rtc.clone();
        for offset in [ALARM_STATUS, 0x20, 0xffc] {
            bench.write(&mut rtc, offset, Width::B4, 0xffff_ffff);
        }
        assert_eq!(rtc, before);
    }
}
