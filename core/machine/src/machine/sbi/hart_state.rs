//! Hart state management, chapter 9, and system suspend, chapter 13.

use super::super::{HartState, Machine};
use super::{Call, Error, FENCED, is_up, set};
use crate::cpu::{Hart, Privilege, status};
use crate::mem::{Memory, PhysAddr};

const A0: usize = 10;
const A1: usize = 11;

/// States as `hart_get_status` numbers them.
const STARTED: u64 = 0;
const STOPPED: u64 = 1;
const SUSPENDED: u64 = 4;

/// Suspend types: retentive and non-retentive, the platform's default.
const RETENTIVE: u32 = 0;
const NON_RETENTIVE: u32 = 0x8000_0000;

/// Gives the supervisor what firmware in machine mode would give it: all traps, all counters,
/// the timer, cache operations, and all of memory.
pub fn prepare(hart: &mut Hart) {
    for (csr, value) in [
        // medeleg: everything but calls from the supervisor itself and from machine mode.
        (0x302, 0xb1ff),
        // mideleg: SSI, STI, SEI.
        (0x303, 0x222),
        // mcounteren
        (0x306, 0xffff_ffff),
        // scounteren: cycle, time and instret, as OpenSBI leaves it. Linux without a counter
        // driver never writes it, and its vDSO reads `time` in user mode.
        (0x106, 0x7),
        // pmpaddr0, pmpcfg0: one region, everything, for all.
        (0x3b0, u64::MAX),
        (0x3a0, 0x1f),
    ] {
        set(hart, csr, value);
    }
    // menvcfg: what is there at reset, and Sstc, page-based memory types, cache operations.
    let envcfg = hart.csr.menvcfg | status::STCE | status::PBMTE | CBIE | CBCFE | CBZE;
    set(hart, 0x30a, envcfg);
    hart.privilege = Privilege::Supervisor;
    hart.csr.stimecmp = u64::MAX;
}

const CBIE: u64 = 1 << 4;
const CBCFE: u64 = 1 << 6;
const CBZE: u64 = 1 << 7;

impl Machine {
    /// `Ok(None)` where the call does not return to its caller now.
    pub(super) fn hart_state(&mut self, id: usize, call: &Call) -> Result<Option<u64>, Error> {
        let [first, second, third, ..] = call.arguments;
        match call.function {
            0 => self.hart_start(first, second, third).map(Some),
            1 => {
                if let Some(state) = self.states.get_mut(id) {
                    *state = HartState::Stopped;
                }
                Ok(None)
            }
            2 => self.hart_status(first).map(Some),
            3 => self
                .hart_suspend(id, first as u32, second, third)
                .map(|()| None),
            _ => Err(Error::NotSupported),
        }
    }

    fn hart_start(&mut self, id: u64, address: u64, opaque: u64) -> Result<u64, Error> {
        let index = self.hart_index(id)?;
        if self.states.get(index).is_some_and(is_up) {
            return Err(Error::AlreadyAvailable);
        }
        self.check_address(address)?;
        self.begin(index, address, opaque);
        Ok(0)
    }

    /// A hart's registers as `hart_start` promises them (table 9.1).
    fn begin(&mut self, index: usize, address: u64, opaque: u64) {
        if let Some(state) = self.states.get_mut(index) {
            *state = HartState::Started;
        }
        if let Some(hart) = self.harts.get_mut(index) {
            hart.pc = address;
            hart.privilege = Privilege::Supervisor;
            hart.waiting = false;
            hart.csr.satp = 0;
            hart.csr.mstatus &= !status::SIE;
        }
        if let Some(view) = self.arena.hart(index) {
            view.x[A0] = index as u64;
            view.x[A1] = opaque;
        }
        self.apply(index, FENCED);
    }

    fn hart_status(&self, id: u64) -> Result<u64, Error> {
        let index = self.hart_index(id)?;
        Ok(match self.states.get(index) {
            Some(HartState::Stopped) => STOPPED,
            Some(HartState::Suspended { .. }) => SUSPENDED,
            _ => STARTED,
        })
    }

    fn hart_suspend(
        &mut self,
        id: usize,
        kind: u32,
        address: u64,
        opaque: u64,
    ) -> Result<(), Error> {
        let resume = match kind {
            RETENTIVE => None,
            NON_RETENTIVE => {
                self.check_address(address)?;
                Some((address, opaque))
            }
            // Reserved, or the platform's, which has none.
            0x1000_0000..=0x7fff_ffff | 0x9000_0000..=0xffff_ffff => {
                return Err(Error::NotSupported);
            }
            _ => return Err(Error::InvalidParam),
        };
        self.suspend(id, resume);
        Ok(())
    }

    fn suspend(&mut self, id: usize, resume: Option<(u64, u64)>) {
        if let Some(state) = self.states.get_mut(id) {
            *state = HartState::Suspended { resume };
        }
        if let Some(hart) = self.harts.get_mut(id) {
            hart.waiting = true;
        }
        // What a retentive suspend returns with.
        self.set_a(id, 0, Some(0));
    }

    /// A hart that was suspended goes on.
    pub(in super::super) fn resume(&mut self, id: usize) {
        if let Some(HartState::Suspended { resume }) = self.states.get(id).copied() {
            if let Some(state) = self.states.get_mut(id) {
                *state = HartState::Started;
            }
            if let Some((address, opaque)) = resume {
                self.begin(id, address, opaque);
            }
            self.turn.sample = true;
        }
    }

    /// SUSP: the last hart that runs goes to sleep until something wakes it.
    pub(super) fn system_suspend(&mut self, id: usize, call: &Call) -> Result<(), Error> {
        if call.function != 0 {
            return Err(Error::NotSupported);
        }
        let [kind, address, opaque, ..] = call.arguments;
        if kind as u32 != 0 {
            return Err(Error::InvalidParam);
        }
        let others = self
            .states
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != id);
        if others.map(|(_, state)| state).any(is_up) {
            return Err(Error::Denied);
        }
        self.check_address(address)?;
        self.suspend(id, Some((address, opaque)));
        Ok(())
    }

    fn hart_index(&self, id: u64) -> Result<usize, Error> {
        usize::try_from(id)
            .ok()
            .filter(|index| *index < self.harts.len())
            .ok_or(Error::InvalidParam)
    }

    /// Harts begin in RAM.
    fn check_address(&mut self, address: u64) -> Result<(), Error> {
        let memory = Memory::new(self.arena.ram());
        if address.is_multiple_of(2) && memory.contains(PhysAddr(address), 2) {
            Ok(())
        } else {
            Err(Error::InvalidAddress)
        }
    }
}
