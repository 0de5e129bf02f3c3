//! Counters: `cycle`, `time`, `instret`, and who may read them (3.1.10 to 3.1.12, 12.1.5).
//!
//! A cycle is a step of the hart, so that both counters follow from the instruction count alone.

use super::csr::CsrContext;
use super::state::{Hart, Privilege};
use super::status;

impl Hart {
    /// What a CSR access sees when the hart has made `steps` steps before it and it is `time`.
    #[inline]
    pub fn csr_context(&self, time: u64, steps: u64) -> CsrContext {
        CsrContext {
            time,
            instret: steps.wrapping_sub(self.not_retired),
        }
    }

    pub(super) fn cycle(&self, cx: &CsrContext) -> u64 {
        let steps = cx.instret.wrapping_add(self.not_retired);
        self.counter(self.csr.mcycle, status::COUNTER_CY, steps)
    }

    pub(super) fn instret(&self, cx: &CsrContext) -> u64 {
        self.counter(self.csr.minstret, status::COUNTER_IR, cx.instret)
    }

    fn counter(&self, base: u64, inhibit: u64, count: u64) -> u64 {
        if self.csr.mcountinhibit & inhibit != 0 {
            base
        } else {
            base.wrapping_add(count)
        }
    }

    // A written value is what the next instruction reads: the write comes in place of the step
    // that the writing instruction itself would count.

    pub(super) fn set_cycle(&mut self, value: u64, cx: &CsrContext) {
        let next = cx.instret.wrapping_add(self.not_retired).wrapping_add(1);
        self.csr.mcycle = self.base(value, status::COUNTER_CY, next);
    }

    pub(super) fn set_instret(&mut self, value: u64, cx: &CsrContext) {
        let next = cx.instret.wrapping_add(1);
        self.csr.minstret = self.base(value, status::COUNTER_IR, next);
    }

    fn base(&self, value: u64, inhibit: u64, count: u64) -> u64 {
        if self.csr.mcountinhibit & inhibit != 0 {
            value
        } else {
            value.wrapping_sub(count)
        }
    }

    /// Writes `mcountinhibit`: counters stop or go on after this instruction, with the value
    /// that they have then.
    pub(super) fn set_countinhibit(&mut self, value: u64, cx: &CsrContext) {
        let after = CsrContext {
            instret: cx.instret.wrapping_add(1),
            ..*cx
        };
        let changed = self.csr.mcountinhibit ^ value;
        // A counter that stands still is not moved on by this instruction either.
        let cycle = self.cycle(&after);
        let instret = self.instret(&after);
        self.csr.mcountinhibit = value & (status::COUNTER_CY | status::COUNTER_IR);
        if changed & status::COUNTER_CY != 0 {
            self.set_cycle(cycle, cx);
        }
        if changed & status::COUNTER_IR != 0 {
            self.set_instret(instret, cx);
        }
    }

    /// Whether the present privilege may read the counter `index` (0 `cycle`, 1 `time`, ...).
    pub(super) fn counter_readable(&self, index: u16) -> bool {
        let enabled = |counteren: u64| counteren >> index & 1 != 0;
        match self.privilege {
            Privilege::Machine => true,
            Privilege::Supervisor => enabled(self.csr.mcounteren),
            Privilege::User => enabled(self.csr.mcounteren) && enabled(self.csr.scounteren),
        }
    }
}

#[cfg(test)]
mod tests;
