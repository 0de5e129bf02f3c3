//! A debugger's view of a machine: look at everything, change registers and memory, stop where
//! something is to be seen. Nothing here shows in the guest's state unless it is changed.

use alloc::vec::Vec;

use super::{HartState, Machine, debug_walk, tohost_offset};
use crate::arena::{MAX_HARTS, PAGE_SIZE, PageFlags};
use crate::cpu::Hart;
use crate::map::{self, Chip};
use crate::mem::{PhysAddr, RAM_BASE, Width};

/// Breakpoints that a machine keeps at most: each is compared with where a hart is.
const MAX_BREAKPOINTS: usize = 4096;
/// Watched ranges, each within a page, that a machine keeps at most.
const MAX_WATCHES: usize = 1024;
/// Pages that one watchpoint may reach into.
const MAX_WATCHED_PAGES: u64 = 64;

/// What a watchpoint looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchKind {
    /// Stores.
    Write,
    /// Loads.
    Read,
    /// Both.
    Access,
}

impl WatchKind {
    pub(super) fn sees(self, write: bool) -> bool {
        match self {
            Self::Write => write,
            Self::Read => !write,
            Self::Access => true,
        }
    }
}

/// Why a machine stopped for its debugger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Halt {
    /// The next instruction of this hart has a breakpoint.
    Breakpoint {
        /// The hart.
        hart: usize,
    },
    /// This hart has just accessed watched memory.
    Watchpoint {
        /// The hart.
        hart: usize,
        /// The first watched byte that was accessed, as an address of the watchpoint's.
        address: u64,
        /// What it looks for.
        kind: WatchKind,
    },
    /// This hart, which is to step, has executed an instruction or entered a trap.
    Step {
        /// The hart.
        hart: usize,
    },
}

/// How a debugger lets a hart run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pace {
    /// As it does by itself.
    #[default]
    Run,
    /// The machine stops when the hart has executed one instruction, or entered a trap instead.
    /// A breakpoint at the first instruction does not stop it.
    Step,
    /// Not at all: its turns are the others'.
    Hold,
}

/// What a hart is doing, for people to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// It runs.
    Running,
    /// It waits for an interrupt.
    Waiting,
    /// It waits for an interrupt in the SBI's `hart_suspend`.
    Suspended,
    /// It waits for the SBI's `hart_start`.
    Stopped,
}

/// A part of RAM, within a page, that is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Watch {
    /// The watchpoint that it is of: address, length, kind.
    of: (u64, u64, WatchKind),
    address: u64,
    offset: u64,
    len: u64,
}

/// Breakpoints, watchpoints, and how harts may run.
#[derive(Clone, Debug, Default)]
pub(super) struct Stops {
    breakpoints: Vec<u64>,
    watchpoints: Vec<Watch>,
    paces: [Pace; MAX_HARTS],
    /// Where a hart has stopped before a breakpoint and is to go on: it passes once, if what it
    /// does next is the instruction there.
    passes: [Option<u64>; MAX_HARTS],
}

impl Stops {
    /// How a hart may run.
    pub(super) fn pace(&self, hart: usize) -> Pace {
        self.paces.get(hart).copied().unwrap_or_default()
    }

    /// Whether a hart is held.
    pub(super) fn holds(&self) -> bool {
        self.paces.contains(&Pace::Hold)
    }

    /// The hart passes the breakpoint before which it has stopped.
    pub(super) fn let_pass(&mut self, hart: usize, pc: Option<u64>) {
        if let Some(pass) = self.passes.get_mut(hart) {
            *pass = pc;
        }
    }

    /// The breakpoint that the hart passes now, and no more after.
    pub(super) fn take_pass(&mut self, hart: usize) -> Option<u64> {
        self.passes.get_mut(hart)?.take()
    }

    /// Every hart is where it has not stopped before.
    pub(super) fn forget_passes(&mut self) {
        self.passes = [None; MAX_HARTS];
    }

    /// Virtual addresses at which harts stop.
    pub(super) fn breakpoints(&self) -> &[u64] {
        &self.breakpoints
    }

    /// Where watched memory is, as offsets in RAM.
    pub(super) fn watched(&self) -> impl Iterator<Item = u64> + '_ {
        self.watchpoints.iter().map(|watch| watch.offset)
    }

    /// The watchpoint that an access to RAM meets, and the first address where it does.
    pub(super) fn met(&self, offset: u64, len: u64, write: bool) -> Option<(u64, WatchKind)> {
        self.watchpoints
            .iter()
            .find(|watch| {
                watch.of.2.sees(write)
                    && offset < watch.offset + watch.len
                    && watch.offset < offset + len
            })
            .map(|watch| {
                let within = offset.saturating_sub(watch.offset);
                (watch.address.wrapping_add(within), watch.of.2)
            })
    }
}

impl Machine {
    /// The hart whose turn it is: the one that the next instruction is run on.
    pub fn current_hart(&self) -> usize {
        self.turn.hart
    }

    /// Changes an integer register; `x0` stays zero.
    pub fn set_register(&mut self, hart: usize, register: u8, value: u64) {
        if let Some(view) = self.arena.hart(hart)
            && (1..32).contains(&register)
        {
            view.x[usize::from(register)] = value;
        }
    }

    /// A hart's floating-point registers, NaN-boxed.
    pub fn float_registers(&mut self, hart: usize) -> Option<[u64; 32]> {
        if hart >= self.harts.len() {
            return None;
        }
        let view = self.arena.hart(hart)?;
        let mut registers = [0; 32];
        registers.copy_from_slice(&view.f[..32]);
        Some(registers)
    }

    /// Changes a floating-point register.
    pub fn set_float_register(&mut self, hart: usize, register: u8, value: u64) {
        if let Some(view) = self.arena.hart(hart)
            && register < 32
        {
            view.f[usize::from(register)] = value;
        }
    }

    /// Changes where a hart goes on; the lowest bit is ignored. One that waits for an interrupt
    /// somewhere else waits no more.
    pub fn set_pc(&mut self, hart: usize, pc: u64) {
        if let Some(hart) = self.harts.get_mut(hart) {
            hart.waiting &= hart.pc == pc & !1;
            hart.pc = pc & !1;
        }
    }

    /// Reads a CSR whatever the hart's privilege; `None` if it does not exist.
    pub fn csr(&self, hart: usize, number: u16) -> Option<u64> {
        let mtime = self.board.aclint.mtime(self.now());
        let hart = self.harts.get(hart)?;
        hart.csr_peek(number, &hart.csr_context(mtime, hart.retired))
    }

    /// Writes a CSR whatever the hart's privilege; an illegal value becomes a legal one.
    pub fn set_csr(&mut self, id: usize, number: u16, value: u64) -> Option<()> {
        let mtime = self.board.aclint.mtime(self.now());
        let hart = self.harts.get_mut(id)?;
        let cx = hart.csr_context(mtime, hart.retired);
        let effects = hart.csr_poke(number, value, &cx)?;
        self.apply(id, effects);
        self.turn.sample = true;
        self.deadline = None;
        Some(())
    }

    /// Where a hart's virtual address lies in physical memory. Neither caches nor accessed bits
    /// change.
    pub fn translate(&mut self, hart: usize, address: u64) -> Option<PhysAddr> {
        let ram = self.arena.ram();
        debug_walk::walk(self.harts.get(hart)?, address, ram).map(PhysAddr)
    }

    /// Reads memory at a hart's virtual address, RAM or the reset ROM; returns how many bytes could
    /// be read. Devices are not read: that could change them.
    pub fn read_virtual(&mut self, hart: usize, address: u64, out: &mut [u8]) -> usize {
        self.virtual_pieces(hart, address, out.len(), |machine, at, range| {
            let piece = out.get_mut(range)?;
            match machine.memory().read(at, piece) {
                Ok(()) => Some(()),
                Err(_) => machine.read_rom(at, piece),
            }
        })
    }

    fn read_rom(&self, at: PhysAddr, out: &mut [u8]) -> Option<()> {
        for (byte, place) in (0..).zip(out) {
            let at = PhysAddr(at.0.checked_add(byte)?);
            let (Chip::Rom, offset) = map::route(at, Width::B1)? else {
                return None;
            };
            *place = self.board.rom.load(offset, Width::B1) as u8;
        }
        Some(())
    }

    /// Writes memory at a hart's virtual address, read-only pages included; returns how many
    /// bytes could be written.
    pub fn write_virtual(&mut self, hart: usize, address: u64, bytes: &[u8]) -> usize {
        self.virtual_pieces(hart, address, bytes.len(), |machine, at, range| {
            machine.memory().write(at, bytes.get(range)?).ok()
        })
    }

    /// Does something with each page's part of a range, until that fails. Returns how many bytes
    /// it was done with.
    fn virtual_pieces(
        &mut self,
        hart: usize,
        address: u64,
        len: usize,
        mut each: impl FnMut(&mut Self, PhysAddr, core::ops::Range<usize>) -> Option<()>,
    ) -> usize {
        let mut done = 0;
        while done < len {
            let at = address.wrapping_add(done as u64);
            let piece = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(len - done);
            let Some(physical) = self.translate(hart, at) else {
                break;
            };
            if each(self, physical, done..done + piece).is_none() {
                break;
            }
            done += piece;
        }
        done
    }

    /// How a hart may run from now on.
    pub fn set_pace(&mut self, hart: usize, pace: Pace) {
        if let Some(place) = self.stops.paces.get_mut(hart) {
            *place = pace;
        }
    }

    /// What a hart is doing; `None` if there is no such hart.
    pub fn activity(&self, hart: usize) -> Option<Activity> {
        Some(match self.states.get(hart)? {
            HartState::Stopped => Activity::Stopped,
            HartState::Suspended { .. } => Activity::Suspended,
            HartState::Started if self.harts.get(hart)?.waiting => Activity::Waiting,
            HartState::Started => Activity::Running,
        })
    }

    /// Forgets all that a debugger has set: breakpoints, watchpoints, paces.
    pub fn release(&mut self) {
        for watch in core::mem::take(&mut self.stops.watchpoints) {
            self.unmark(watch.offset);
        }
        self.stops = Stops::default();
        self.renew_breakpoints();
    }

    /// Stops every hart before it executes the instruction at this virtual address. `false` if
    /// there are too many.
    pub fn add_breakpoint(&mut self, address: u64) -> bool {
        if self.stops.breakpoints.contains(&address) {
            return true;
        }
        if self.stops.breakpoints.len() >= MAX_BREAKPOINTS {
            return false;
        }
        self.stops.breakpoints.push(address);
        self.renew_breakpoints();
        true
    }

    /// Takes a breakpoint away; `false` if there was none.
    pub fn remove_breakpoint(&mut self, address: u64) -> bool {
        let before = self.stops.breakpoints.len();
        self.stops.breakpoints.retain(|other| *other != address);
        let gone = self.stops.breakpoints.len() != before;
        if gone {
            self.renew_breakpoints();
        }
        gone
    }

    fn renew_breakpoints(&mut self) {
        self.code.mark(&self.stops.breakpoints);
    }

    /// Stops a hart after it has accessed any of these bytes, which are looked up in this hart's
    /// address space now. `None` if they are not all in RAM, or too many.
    pub fn add_watchpoint(
        &mut self,
        hart: usize,
        address: u64,
        len: u64,
        kind: WatchKind,
    ) -> Option<()> {
        let of = (address, len, kind);
        if self.stops.watchpoints.iter().any(|watch| watch.of == of) {
            return Some(());
        }
        let end = address.checked_add(len)?;
        if len == 0 || len > MAX_WATCHED_PAGES * PAGE_SIZE {
            return None;
        }
        let (mut pieces, mut at) = (Vec::new(), address);
        while at < end {
            let len = (PAGE_SIZE - at % PAGE_SIZE).min(end - at);
            let offset = self.translate(hart, at)?.0.checked_sub(RAM_BASE)?;
            if !self.arena.ram().contains(offset, len) {
                return None;
            }
            pieces.push(Watch {
                of,
                address: at,
                offset,
                len,
            });
            at += len;
        }
        if self.stops.watchpoints.len() + pieces.len() > MAX_WATCHES {
            return None;
        }
        let ram = self.arena.ram();
        for watch in &pieces {
            ram.set_flags(watch.offset, PageFlags::WATCHED);
        }
        self.stops.watchpoints.extend(pieces);
        self.drop_data_shortcuts();
        Some(())
    }

    /// Takes a watchpoint away; `false` if there was none.
    pub fn remove_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> bool {
        let of = (address, len, kind);
        let watchpoints = &mut self.stops.watchpoints;
        let gone: Vec<Watch> = watchpoints.extract_if(.., |watch| watch.of == of).collect();
        for watch in &gone {
            self.unmark(watch.offset);
        }
        !gone.is_empty()
    }

    /// Looks no more at a page of RAM, unless somebody else has it watched.
    fn unmark(&mut self, offset: u64) {
        let page = |offset: u64| offset / PAGE_SIZE;
        let mut watched = self.stops.watched().chain(tohost_offset(&self.symbols));
        if !watched.any(|other| page(other) == page(offset)) {
            self.arena.ram().clear_flags(offset, PageFlags::WATCHED);
        }
    }

    fn drop_data_shortcuts(&mut self) {
        for id in 0..self.harts.len() {
            if let Some(view) = self.arena.hart(id) {
                view.data.clear();
            }
        }
    }

    /// All harts' control states, by number.
    pub fn harts(&self) -> &[Hart] {
        &self.harts
    }
}
