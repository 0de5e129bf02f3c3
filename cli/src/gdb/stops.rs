//! Where and how gdb stops a machine: breakpoints, watchpoints, and what each hart may do.

use gdbstub::common::{Signal, Tid};
use gdbstub::target::TargetResult;
use gdbstub::target::ext::base::multithread::{
    MultiThreadResume, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps,
    MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
    SwBreakpointOps, WatchKind as GdbWatch,
};
use virtarium_machine::machine::{Pace, WatchKind};

use super::target::Debugged;

impl MultiThreadResume for Debugged<'_, '_> {
    fn clear_resume_actions(&mut self) -> Result<(), Self::Error> {
        self.paces.fill(None);
        self.locked = false;
        Ok(())
    }

    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        _: Option<Signal>,
    ) -> Result<(), Self::Error> {
        self.set_pace(tid, Pace::Run)
    }

    fn resume(&mut self) -> Result<(), Self::Error> {
        let others = match self.locked {
            true => Pace::Hold,
            false => Pace::Run,
        };
        for (hart, pace) in self.paces.iter().enumerate() {
            self.engine.guest.set_pace(hart, pace.unwrap_or(others));
        }
        let steps = |hart: &usize| self.paces.get(*hart) == Some(&Some(Pace::Step));
        self.stepped = self.watched.take().filter(steps);
        self.go();
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Debugged<'_, '_> {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Self::Error> {
        self.set_pace(tid, Pace::Step)
    }
}

impl MultiThreadSchedulerLocking for Debugged<'_, '_> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Self::Error> {
        self.locked = true;
        Ok(())
    }
}

impl Breakpoints for Debugged<'_, '_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

// Both kinds are the machine's own, by virtual address: nothing is written into memory. gdb
// only wants to hear which of the two it has set.

impl SwBreakpoint for Debugged<'_, '_> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let added = self.engine.guest.add_breakpoint(address);
        if added {
            self.software.insert(address);
        }
        Ok(added)
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let gone = self.software.remove(&address);
        if gone && !self.hardware.contains(&address) {
            self.engine.guest.remove_breakpoint(address);
        }
        Ok(gone)
    }
}

impl HwBreakpoint for Debugged<'_, '_> {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let added = self.engine.guest.add_breakpoint(address);
        if added {
            self.hardware.insert(address);
        }
        Ok(added)
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        let gone = self.hardware.remove(&address);
        if gone && !self.software.contains(&address) {
            self.engine.guest.remove_breakpoint(address);
        }
        Ok(gone)
    }
}

fn watch_kind(kind: GdbWatch) -> WatchKind {
    match kind {
        GdbWatch::Write => WatchKind::Write,
        GdbWatch::Read => WatchKind::Read,
        GdbWatch::ReadWrite => WatchKind::Access,
    }
}

impl HwWatchpoint for Debugged<'_, '_> {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        len: u64,
        kind: GdbWatch,
    ) -> TargetResult<bool, Self> {
        // gdb does not say in which hart's address space: first in that of the one it last asked.
        let harts = 0..self.paces.len();
        let added = std::iter::once(self.shown).chain(harts).any(|hart| {
            let machine = &mut *self.engine.guest;
            machine
                .add_watchpoint(hart, address, len, watch_kind(kind))
                .is_some()
        });
        Ok(added)
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        len: u64,
        kind: GdbWatch,
    ) -> TargetResult<bool, Self> {
        let machine = &mut *self.engine.guest;
        Ok(machine.remove_watchpoint(address, len, watch_kind(kind)))
    }
}
