//! A debugger's view of a machine: look at everything, change registers and memory, stop where
//! something is to be seen. Nothing here shows in the guest's state unless it is changed.

use alloc::vec::Vec;

use super::{Machine, debug_walk};
use crate::arena::{PAGE_SIZE, PageFlags};
use crate::cpu::Hart;
use crate::mem::{PhysAddr, RAM_BASE};

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
        /// The virtual address that the watchpoint was set for.
        address: u64,
        /// What it looks for.
        kind: WatchKind,
    },
}

/// A part of RAM that is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Watch {
    address: u64,
    offset: u64,
    len: u64,
    kind: WatchKind,
}

/// Breakpoints and watchpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct Stops {
    breakpoints: Vec<u64>,
    watchpoints: Vec<Watch>,
}

impl Stops {
    /// Virtual addresses at which harts stop.
    pub(super) fn breakpoints(&self) -> &[u64] {
        &self.breakpoints
    }

    /// Where watched memory is, as offsets in RAM.
    pub(super) fn watched(&self) -> impl Iterator<Item = u64> + '_ {
        self.watchpoints.iter().map(|watch| watch.offset)
    }

    /// The watchpoint that an access to RAM meets.
    pub(super) fn met(&self, offset: u64, len: u64, write: bool) -> Option<(u64, WatchKind)> {
        self.watchpoints
            .iter()
            .find(|watch| {
                watch.kind.sees(write)
                    && offset < watch.offset + watch.len
                    && watch.offset < offset + len
            })
            .map(|watch| (watch.address, watch.kind))
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

    /// Changes where a hart goes on; the lowest bit is ignored.
    pub fn set_pc(&mut self, hart: usize, pc: u64) {
        if let Some(hart) = self.harts.get_mut(hart) {
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

    /// Reads memory at a hart's virtual address; returns how many bytes could be read.
    pub fn read_virtual(&mut self, hart: usize, address: u64, out: &mut [u8]) -> usize {
        self.virtual_pieces(hart, address, out.len(), |memory, at, range| {
            let piece = out.get_mut(range)?;
            memory.read(at, piece).ok()
        })
    }

    /// Writes memory at a hart's virtual address, read-only pages included; returns how many
    /// bytes could be written.
    pub fn write_virtual(&mut self, hart: usize, address: u64, bytes: &[u8]) -> usize {
        self.virtual_pieces(hart, address, bytes.len(), |memory, at, range| {
            memory.write(at, bytes.get(range)?).ok()
        })
    }

    fn virtual_pieces(
        &mut self,
        hart: usize,
        address: u64,
        len: usize,
        mut each: impl FnMut(crate::mem::Memory<'_>, PhysAddr, core::ops::Range<usize>) -> Option<()>,
    ) -> usize {
        let mut done = 0;
        while done < len {
            let at = address.wrapping_add(done as u64);
            let piece = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(len - done);
            let Some(physical) = self.translate(hart, at) else {
                break;
            };
            if each(self.memory(), physical, done..done + piece).is_none() {
                break;
            }
            done += piece;
        }
        done
    }

    /// Stops every hart before it executes the instruction at this virtual address.
    pub fn add_breakpoint(&mut self, address: u64) {
        if !self.stops.breakpoints.contains(&address) {
            self.stops.breakpoints.push(address);
            self.renew_breakpoints();
        }
    }

    /// Takes a breakpoint away; `false` if there was none.
    pub fn remove_breakpoint(&mut self, address: u64) -> bool {
        let before = self.stops.breakpoints.len();
        self.stops.breakpoints.retain(|other| *other != address);
        self.renew_breakpoints();
        self.stops.breakpoints.len() != before
    }

    fn renew_breakpoints(&mut self) {
        self.code.mark(&self.stops.breakpoints);
    }

    /// Stops a hart after it has accessed these bytes, which are looked up in the hart's address
    /// space now. `None` if they are not in RAM, or across pages.
    pub fn add_watchpoint(
        &mut self,
        hart: usize,
        address: u64,
        len: u64,
        kind: WatchKind,
    ) -> Option<()> {
        let PhysAddr(at) = self.translate(hart, address)?;
        let offset = at.checked_sub(RAM_BASE)?;
        if len == 0 || offset % PAGE_SIZE + len > PAGE_SIZE {
            return None;
        }
        let ram = self.arena.ram();
        if !ram.contains(offset, len) {
            return None;
        }
        ram.set_flags(offset, PageFlags::WATCHED);
        self.stops.watchpoints.push(Watch {
            address,
            offset,
            len,
            kind,
        });
        self.drop_data_shortcuts();
        Some(())
    }

    /// Takes a watchpoint away; `false` if there was none.
    pub fn remove_watchpoint(&mut self, address: u64, len: u64, kind: WatchKind) -> bool {
        let same =
            |watch: &Watch| watch.address == address && watch.len == len && watch.kind == kind;
        let Some(at) = self.stops.watchpoints.iter().position(same) else {
            return false;
        };
        let gone = self.stops.watchpoints.remove(at);
        let page = |offset: u64| offset / PAGE_SIZE;
        let htif = self
            .symbols
            .tohost
            .map(|at| page(at.wrapping_sub(RAM_BASE)));
        let still = self
            .stops
            .watchpoints
            .iter()
            .any(|watch| page(watch.offset) == page(gone.offset));
        if !still && htif != Some(page(gone.offset)) {
            self.arena
                .ram()
                .clear_flags(gone.offset, PageFlags::WATCHED);
        }
        true
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
