//! What the tests of the chips put a chip on: wires, time, a little RAM and a host that listens.

use alloc::vec::Vec;

use crate::arena::{Arena, Heap};
use crate::bus::{Ctx, Device};
use crate::host::{BlockError, BlockRequest, ConsoleId, Host, Submitted, Token};
use crate::irq::Lines;
use crate::mem::{Memory, Width};
use crate::pending::Pending;
use crate::time::Ticks;

/// Notes what a chip prints.
#[derive(Default)]
pub struct Listener {
    pub printed: Vec<(ConsoleId, u8)>,
}

impl Host for Listener {
    fn block(&mut self, _: usize, _: Token, _: &BlockRequest) -> Submitted {
        Submitted::Done(Err(BlockError::Io))
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        self.printed
            .extend(bytes.iter().map(|byte| (console, *byte)));
    }
}

pub struct Bench {
    arena: Arena,
    pub lines: Lines,
    pub now: Ticks,
    pub host: Listener,
    pending: Pending,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            arena: Arena::new(Heap::for_ram(4096).unwrap(), 4096).unwrap(),
            lines: Lines::default(),
            now: Ticks(0),
            host: Listener::default(),
            pending: Pending::default(),
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Ctx<'_>) -> T) -> T {
        act(&mut Ctx {
            memory: Memory::new(self.arena.ram()),
            lines: &mut self.lines,
            now: self.now,
            host: &mut self.host,
            pending: &mut self.pending,
        })
    }

    pub fn read(&mut self, chip: &mut impl Device, offset: u64, width: Width) -> u64 {
        self.with(|cx| chip.read(offset, width, cx))
    }

    pub fn write(&mut self, chip: &mut impl Device, offset: u64, width: Width, value: u64) {
        self.with(|cx| chip.write(offset, width, value, cx))
    }
}
