//! Translation as a hart sees it, over page tables in RAM.

mod caches;
mod permissions;
mod walks;

use super::*;
use crate::arena::{Arena, Heap};
use crate::cpu::config::{AdUpdate, IsaConfig};
use crate::mem::RAM_BASE;
use crate::mmu::pte;

const RAM: u64 = 4 << 20;
const SV39: u64 = 8;
const SV48: u64 = 9;
const SV57: u64 = 10;
/// A page of user code and data with everything allowed.
const ALL: u64 = pte::V | pte::R | pte::W | pte::X | pte::U | pte::A | pte::D;
/// The same for the supervisor.
const KERNEL: u64 = ALL & !pte::U;

/// A hart in supervisor mode whose `satp` points to an empty root table.
struct Bench {
    arena: Arena,
    hart: Hart,
    mode: u64,
    free: u64,
}

impl Bench {
    fn new(mode: u64) -> Self {
        Self::with(mode, AdUpdate::Svadu)
    }

    fn with(mode: u64, ad_update: AdUpdate) -> Self {
        let mut hart = Hart::new(0, &IsaConfig { ad_update });
        hart.privilege = Privilege::Supervisor;
        hart.pmp.set_address(0, u64::MAX);
        hart.pmp.set_config(0, 0x1f);
        hart.csr.satp = mode << 60 | RAM_BASE >> 12;
        Self {
            arena: Arena::new(Heap::for_ram(RAM).unwrap(), RAM).unwrap(),
            hart,
            mode,
            free: RAM_BASE + 0x1000,
        }
    }

    fn read(&mut self, at: u64) -> u64 {
        self.arena.ram().load(at - RAM_BASE).unwrap()
    }

    fn write(&mut self, at: u64, value: u64) {
        self.arena.ram().store(at - RAM_BASE, value).unwrap();
    }

    /// Where the entry for `va` at `level` lies; tables on the way are made.
    fn entry(&mut self, va: u64, level: usize) -> u64 {
        let mut table = RAM_BASE;
        for upper in (level..self.mode as usize - 5).rev() {
            let at = table + (va >> (12 + 9 * upper) & 0x1ff) * 8;
            if upper == level {
                return at;
            }
            let mut entry = self.read(at);
            if entry == 0 {
                entry = self.free >> 2 | pte::V;
                self.free += 0x1000;
                self.write(at, entry);
            }
            table = pte::ppn(entry) << 12;
        }
        unreachable!("level of the mode");
    }

    /// Maps the page at `va` of this level to `pa`.
    fn map(&mut self, va: u64, level: usize, pa: u64, bits: u64) -> u64 {
        let at = self.entry(va, level);
        self.write(at, pa >> 2 | bits);
        at
    }

    fn translate(&mut self, va: u64, access: Access) -> Result<u64, Exception> {
        self.full(va, access).map(|t| t.pa)
    }

    fn full(&mut self, va: u64, access: Access) -> Result<Translated, Exception> {
        self.hart.translate(va, access, self.arena.ram())
    }

    fn load(&mut self, va: u64) -> Result<u64, Exception> {
        self.translate(va, Access::Load)
    }

    fn store(&mut self, va: u64) -> Result<u64, Exception> {
        self.translate(va, Access::Store)
    }

    fn fence(&mut self) {
        let _ = self.hart.fence(None, None);
    }
}

const ACCESSES: [Access; 3] = [Access::Fetch, Access::Load, Access::Store];

/// Not a test of correctness: prints what a translation costs. Run it with `--ignored`.
#[test]
#[ignore = "a measurement"]
fn translation_cost() {
    extern crate std;
    let mut bench = Bench::new(SV39);
    for page in 0..64 {
        bench.map(page * 4096, 0, RAM_BASE + page * 4096, KERNEL);
    }
    for kinds in [1, 2] {
        if kinds == 2 {
            bench.map(1 << 30, 2, RAM_BASE, KERNEL);
            bench.map(1 << 21, 1, RAM_BASE, KERNEL);
            bench.load(1 << 30).unwrap();
            bench.load(1 << 21).unwrap();
        }
        let start = std::time::Instant::now();
        let (mut sum, count) = (0u64, 10_000_000u64);
        for n in 0..count {
            sum = sum.wrapping_add(bench.load(n % 64 * 4096 + 8).unwrap());
        }
        std::println!("{:?} a hit ({sum})", start.elapsed() / count as u32);
        let start = std::time::Instant::now();
        let count = 200_000;
        for n in 0..count {
            if n % 64 == 0 {
                bench.fence();
            }
            sum = sum.wrapping_add(bench.load(n % 64 * 4096 + 8).unwrap());
        }
        std::println!("{:?} a walk ({sum})", start.elapsed() / count as u32);
    }
}
