//! The interpreter: the reference engine.
//!
//! It runs one hart over decoded pages of code until the budget is used up or something comes up
//! that is not its business: a trap, an instruction of the system, a change that the run loop has
//! to see. It knows the bus as a trait, and no device.

mod code;
mod shortcut;
mod slow;
mod step;

use crate::arena::{DataTlb, HartView};
use crate::cpu::{Effects, Exception, Hart};
use crate::isa::{Inst, decode, execute, execute_decoded};
use crate::mem::Width;
use crate::mmu::{Access, Dropped};

pub use code::{CodeCache, Page, SLOTS, Slot};
pub use shortcut::FetchShortcuts;
use slow::Slow;
use step::Step;

/// What a hart reaches beyond RAM.
pub trait Bus {
    /// Reads a register of a device, naturally aligned; `None` where there is none. `left` steps
    /// of the run, this one included, are not made yet: that gives the time.
    fn read(&mut self, pa: u64, width: Width, left: u64) -> Option<u64>;
    /// Writes a register of a device.
    fn write(&mut self, pa: u64, width: Width, value: u64, left: u64) -> Option<()>;
    /// Reads two bytes of a program outside RAM.
    fn fetch(&mut self, pa: u64) -> Option<u16>;
    /// The hart accesses a watched page of RAM, at this offset from its start. Returns whether
    /// the run loop has to look once the instruction is complete. An atomic operation says its
    /// load and then its store, whose answer counts for both.
    fn watched(&mut self, offset: u64, len: u64, write: bool) -> bool;
}

/// Why the interpreter stopped. `pc` is that of the instruction that is named, or of the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// All steps were made.
    Budget,
    /// The instruction at `pc` has a breakpoint.
    Breakpoint,
    /// A device was accessed, watched or decoded memory was written: the run loop has to look.
    /// The instruction is complete and counted.
    Attention,
    /// The instruction at `pc` traps; it is not counted.
    Trap {
        /// Why.
        exception: Exception,
        /// For `mtval` or `stval`.
        tval: u64,
    },
    /// The instruction at `pc` is the run loop's; it is not counted. `length` is in bytes.
    System {
        /// The instruction.
        inst: Inst,
        /// Its length in bytes.
        length: u64,
    },
}

/// A hart with everything that it runs on, for the length of one run.
pub struct Engine<'a> {
    /// The hart's control state.
    pub hart: &'a mut Hart,
    /// Its registers and TLBs, and the RAM.
    pub view: HartView<'a>,
    /// Decoded code.
    pub code: &'a mut CodeCache,
    /// The hart's shortcuts to it.
    pub shortcuts: &'a mut FetchShortcuts,
    /// Devices.
    pub bus: &'a mut dyn Bus,
    /// Virtual addresses before which to stop.
    pub breakpoints: &'a [u64],
    /// Where the first instruction of the run is let pass, if it is there that the run begins.
    pub pass: Option<u64>,
}

/// Where a fetch leads.
enum Code {
    /// A page of RAM, decoded at this place.
    Page(u32),
    /// Somewhere that is decoded anew each time.
    Uncached,
}

impl Engine<'_> {
    /// Makes at most `budget` steps. Returns how many were made, and why it stopped.
    pub fn run(&mut self, budget: u64) -> (u64, Stop) {
        let mut left = budget;
        self.shortcuts.renew(self.code.generation());
        loop {
            if self.view.ram.has_code_writes() {
                self.drop_written_code();
            }
            if left == 0 {
                return (budget, Stop::Budget);
            }
            let paused = match self.code_at(self.hart.pc) {
                Ok(Code::Page(place)) => self.run_pages(place, left),
                Ok(Code::Uncached) if self.stops_here(left == budget) => {
                    return (budget - left, Stop::Breakpoint);
                }
                Ok(Code::Uncached) => self.run_uncached(left),
                Err((exception, tval)) => {
                    return (budget - left, Stop::Trap { exception, tval });
                }
            };
            let mut why = paused.why;
            left = paused.left;
            if let Pause::Straddle = why {
                if self.stops_here(left == budget) {
                    return (budget - left, Stop::Breakpoint);
                }
                let paused = self.run_uncached(left);
                (left, why) = (paused.left, paused.why);
            }
            if let Pause::Attention { slot, value } = why {
                let paused = self.run_one(&slot.plain(), slot.step, left, Some(value));
                (left, why) = (paused.left, paused.why);
            }
            match why {
                Pause::Undecoded(place) => {
                    let index = (self.hart.pc % crate::arena::PAGE_SIZE / 2) as usize;
                    self.code.decode_run(place, index, self.view.ram);
                }
                Pause::Stop(stop) => return (budget - left, stop),
                _ => {}
            }
        }
    }

    /// Whether there is a breakpoint at `pc` that the run does not pass.
    #[cold]
    fn stops_here(&self, first: bool) -> bool {
        let pc = self.hart.pc;
        !(first && self.pass == Some(pc)) && self.breakpoints.contains(&pc)
    }

    /// Zeroes the 64-byte block that holds `va`, as CBO.ZERO does.
    pub fn zero_block(&mut self, va: u64) -> Result<(), (Exception, u64)> {
        self.slow().zero_block(va)
    }

    /// Checks that the block that holds `va` may be read or written, as the other cache block
    /// operations do, which change nothing here.
    pub fn probe_block(&mut self, va: u64) -> Result<(), (Exception, u64)> {
        self.slow().probe_block(va)
    }

    fn slow(&mut self) -> Slow<'_, '_> {
        Slow {
            hart: self.hart,
            data: self.view.data,
            ram: self.view.ram,
            code: self.code,
            bus: self.bus,
            made: None,
            why: Cut::Undecoded,
        }
    }

    /// Forgets the decoded form of pages that were written to.
    fn drop_written_code(&mut self) {
        let code = &mut *self.code;
        let complete = self
            .view
            .ram
            .take_code_writes(|page| code.clear(page * crate::arena::PAGE_SIZE));
        if !complete {
            code.clear_all();
        }
    }

    /// Finds the code at `pc`, walking page tables where no shortcut leads there.
    fn code_at(&mut self, pc: u64) -> Result<Code, (Exception, u64)> {
        let privilege = self.hart.privilege as u64;
        if let Some(place) = self.shortcuts.find(pc, privilege) {
            return Ok(Code::Page(place));
        }
        let pa = self.translate_fetch(pc)?;
        let Some(offset) = pa.checked_sub(crate::mem::RAM_BASE) else {
            return Ok(Code::Uncached);
        };
        if !self.view.ram.contains(offset, 1) || !self.hart.pmp_page_uniform(pa, Access::Fetch) {
            return Ok(Code::Uncached);
        }
        let ram = self.view.ram;
        let place = match self.code.find(offset) {
            Some(place) => place,
            None => {
                let Some((place, evicted)) = self.code.insert(offset, ram) else {
                    return Ok(Code::Uncached);
                };
                if evicted {
                    // Other harts' shortcuts are renewed when their turn begins.
                    self.shortcuts.renew(self.code.generation());
                }
                for data in self.view.all.iter() {
                    data.drop_writes_to(offset);
                }
                place
            }
        };
        self.shortcuts.fill(pc, privilege, place);
        Ok(Code::Page(place))
    }

    fn translate_fetch(&mut self, pc: u64) -> Result<u64, (Exception, u64)> {
        let translated = self
            .hart
            .translate(pc, Access::Fetch, self.view.ram)
            .map_err(|exception| (exception, pc))?;
        forget_code(self.shortcuts, translated.dropped);
        Ok(translated.pa)
    }

    /// Two bytes of code, wherever they are.
    fn fetch_half(&mut self, pc: u64) -> Result<u16, (Exception, u64)> {
        let fault = (Exception::InstructionAccessFault, pc);
        let pa = self.translate_fetch(pc)?;
        if !self.hart.pmp_allows(pa, 2, Access::Fetch) {
            return Err(fault);
        }
        let from_ram = pa
            .checked_sub(crate::mem::RAM_BASE)
            .and_then(|offset| self.view.ram.load::<u16>(offset));
        match from_ram {
            Some(half) => Ok(half),
            None => self.bus.fetch(pa).ok_or(fault),
        }
    }

    /// Runs decoded code, from page to page, as long as shortcuts lead on.
    fn run_pages(&mut self, place: u32, budget: u64) -> Paused {
        let privilege = self.hart.privilege as u64;
        let context = self.hart.data_context();
        let code = &*self.code;
        let (mut place, mut pc) = (place, self.hart.pc);
        let mut slow = Slow {
            hart: self.hart,
            data: self.view.data,
            ram: self.view.ram,
            code,
            bus: self.bus,
            made: None,
            why: Cut::Undecoded,
        };
        let mut left = budget;
        let mut step = Step::new(
            self.view.x,
            self.view.f,
            self.view.data.context(context),
            &mut slow,
            pc,
            &code::NOWHERE,
        );
        let why = 'pages: loop {
            let Some(page) = code.page(place) else {
                break Pause::Fetch;
            };
            let mut index = step.turn(pc);
            while let Some(run) = page.run(index) {
                let Some(last) = run.last() else {
                    pc = step.address(index);
                    break 'pages Pause::Undecoded(place);
                };
                let len = run.len() as u64;
                step.left = left.wrapping_sub(len);
                let (run, last) = if len <= left {
                    (run, last)
                } else {
                    // More than what is left: cut short.
                    let part = run.get(..left as usize).unwrap_or_default();
                    match part.last() {
                        Some(last) => (part, last),
                        None => {
                            pc = step.address(index);
                            break 'pages Pause::Budget;
                        }
                    }
                };
                let start = index;
                // Around a loop of one run without looking it up again.
                loop {
                    step.next = step::BEHIND;
                    step.rest = run.iter();
                    while let Some(slot) = step.rest.next() {
                        step.slot = slot;
                        if execute_decoded(&mut step, &slot.inst).is_err() {
                            // Not always the slot that was dispatched: a sequence has several.
                            let slot = step.slot;
                            left = step.steps_left();
                            pc = step.address(usize::from(slot.offset));
                            break 'pages match step.slow.why {
                                Cut::Attention(value) => Pause::Attention { slot: *slot, value },
                                Cut::Straddle => Pause::Straddle,
                                // Runs hold no such mark.
                                Cut::Undecoded => Pause::Fetch,
                                Cut::Trap { exception, tval } => {
                                    Pause::Stop(Stop::Trap { exception, tval })
                                }
                                Cut::System(inst) => Pause::Stop(Stop::System {
                                    inst,
                                    length: 2 * u64::from(slot.step),
                                }),
                            };
                        }
                    }
                    left -= run.len() as u64;
                    if step.next != start || left < run.len() as u64 {
                        break;
                    }
                    step.left = left.wrapping_sub(run.len() as u64);
                }
                index = if step.next == step::BEHIND {
                    usize::from(last.offset) + usize::from(last.step)
                } else {
                    step.next
                };
                if left == 0 {
                    pc = step.address(index);
                    break 'pages Pause::Budget;
                }
            }
            // The end of the page, or a jump out of it.
            pc = step.address(index);
            match self.shortcuts.find(pc, privilege) {
                Some(next) => place = next,
                None => break Pause::Fetch,
            }
        };
        self.hart.pc = pc;
        Paused { left, why }
    }

    /// Fetches, decodes and carries out one instruction that is not kept.
    fn run_uncached(&mut self, left: u64) -> Paused {
        match self.fetch() {
            Ok((inst, halfwords)) => self.run_one(&inst, halfwords, left, None),
            Err((exception, tval)) => Paused {
                left,
                why: Pause::Stop(Stop::Trap { exception, tval }),
            },
        }
    }

    /// The instruction at `pc` and its length in halfwords.
    fn fetch(&mut self) -> Result<(Inst, u8), (Exception, u64)> {
        let pc = self.hart.pc;
        let low = u32::from(self.fetch_half(pc)?);
        if crate::isa::decode::length(low) == 2 {
            return Ok((code::resolve(decode(low)), 1));
        }
        let high = u32::from(self.fetch_half(pc.wrapping_add(2))?);
        Ok((code::resolve(decode(low | high << 16)), 2))
    }

    /// Carries out the instruction at `pc`. `made` is what its access gave, if that has been
    /// made before.
    fn run_one(&mut self, inst: &Inst, halfwords: u8, left: u64, made: Option<u64>) -> Paused {
        let pc = self.hart.pc;
        let context = self.hart.data_context();
        let mut slow = Slow {
            hart: self.hart,
            data: self.view.data,
            ram: self.view.ram,
            code: self.code,
            bus: self.bus,
            made,
            why: Cut::Undecoded,
        };
        // Once, and once more to complete an instruction whose access is made.
        for _ in 0..2 {
            let attention = slow.made.is_some();
            let data = slow.data.context(context);
            let slot = Slot {
                inst: *inst,
                offset: (pc % crate::arena::PAGE_SIZE / 2) as u16,
                step: halfwords,
                rest: 1,
            };
            let mut step = Step::new(self.view.x, self.view.f, data, &mut slow, pc, &slot);
            step.left = left.wrapping_sub(1);
            let result = execute(&mut step, inst);
            let next = match step.next {
                step::BEHIND => pc.wrapping_add(2 * u64::from(halfwords)),
                next => step.address(next),
            };
            let why = match result.map_err(|_| slow.why) {
                Ok(()) => {
                    slow.hart.pc = next;
                    return Paused {
                        left: left - 1,
                        why: if attention {
                            Pause::Stop(Stop::Attention)
                        } else {
                            Pause::Budget
                        },
                    };
                }
                Err(Cut::Attention(value)) => {
                    slow.made = Some(value);
                    continue;
                }
                Err(Cut::Trap { exception, tval }) => Pause::Stop(Stop::Trap { exception, tval }),
                Err(Cut::System(inst)) => Pause::Stop(Stop::System {
                    inst,
                    length: 2 * u64::from(halfwords),
                }),
                // `decode` gives no marks and no sequences.
                Err(Cut::Undecoded | Cut::Straddle) => Pause::Fetch,
            };
            return Paused { left, why };
        }
        Paused {
            left,
            why: Pause::Fetch,
        }
    }
}

/// Does to a hart's caches what an instruction of the system asks for.
pub fn apply(data: DataTlb<'_>, shortcuts: &mut FetchShortcuts, effects: Effects) {
    if effects.contains(Effects::FLUSH_DATA) {
        data.clear();
    }
    if effects.contains(Effects::FLUSH_FETCH) {
        shortcuts.clear();
    }
    forget_code(shortcuts, effects.dropped);
    slow::forget(data, effects.dropped);
}

/// Drops the shortcuts to what left the walk cache for fetches.
fn forget_code(shortcuts: &mut FetchShortcuts, dropped: Dropped) {
    match dropped {
        Dropped::None => {}
        Dropped::All => shortcuts.clear(),
        Dropped::Page(va) => shortcuts.drop_range(va, crate::arena::PAGE_SIZE),
        Dropped::Range { va, size } => shortcuts.drop_range(va, size),
    }
}

/// What cuts an instruction short.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Its access is made, gave this value, and has to be looked at once it is complete.
    Attention(u64),
    Trap {
        exception: Exception,
        tval: u64,
    },
    System(Inst),
    Undecoded,
    Straddle,
}

impl From<(Exception, u64)> for Cut {
    fn from((exception, tval): (Exception, u64)) -> Self {
        Self::Trap { exception, tval }
    }
}

/// Why a stretch of code ended.
enum Pause {
    Budget,
    Fetch,
    Undecoded(u32),
    Straddle,
    Attention { slot: Slot, value: u64 },
    Stop(Stop),
}

struct Paused {
    left: u64,
    why: Pause,
}

#[cfg(test)]
mod tests;
