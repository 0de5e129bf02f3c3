//! A guest that reads and writes the registers of the board's chips at random.

use std::hash::{DefaultHasher, Hash, Hasher};

use virtarium_machine::arena::{Arena, Heap};
use virtarium_machine::bus::{Ctx, Device};
use virtarium_machine::devices::aclint::Aclint;
use virtarium_machine::devices::finisher::Finisher;
use virtarium_machine::devices::plic::Plic;
use virtarium_machine::devices::rom::Rom;
use virtarium_machine::devices::rtc::Rtc;
use virtarium_machine::devices::uart::{INPUT_LIMIT, Uart};
use virtarium_machine::host::NoHost;
use virtarium_machine::irq::Lines;
use virtarium_machine::map::{self, Chip, route};
use virtarium_machine::mem::{Memory, PhysAddr, Width};
use virtarium_machine::pending::Pending;
use virtarium_machine::time::Ticks;

const HARTS: usize = 3;

/// Bytes of one step: what to do, where, and a value.
const STEP: usize = 12;

struct Board {
    arena: Arena,
    lines: Lines,
    now: Ticks,
    pending: Pending,
    rom: Rom,
    finisher: Finisher,
    rtc: Rtc,
    aclint: Aclint,
    plic: Plic,
    uart: Uart,
}

/// Lets the bytes drive the chips twice, and checks that both runs see and leave the same.
///
/// # Panics
/// Where a register has more bits than its access, where a deadline lies in the past, where the
/// UART takes more than it may, or where the two runs differ.
pub fn fuzz_mmio(data: &[u8]) {
    assert_eq!(run(data), run(data), "a chip is not deterministic");
}

/// A digest of all that was read and of the state afterwards.
fn run(data: &[u8]) -> u64 {
    let mut board = Board::new();
    let mut seen = DefaultHasher::new();
    for step in data.as_chunks::<STEP>().0 {
        let [what, region, a, b, value @ ..] = *step;
        let value = u64::from_le_bytes(value);
        match what % 8 {
            0 => {
                board.now = board.now.after(Ticks(value >> (a % 64)));
                board.rtc.tick(board.now, &mut board.lines);
            }
            1 => {
                let bytes = vec![b; usize::from(a) * 64];
                let taken = board.uart.input(&bytes, &mut board.lines);
                assert!(taken <= bytes.len().min(INPUT_LIMIT + 16));
                taken.hash(&mut seen);
            }
            2 => board.lines.set(u32::from(a), b & 1 != 0),
            what => {
                let width = [Width::B1, Width::B2, Width::B4, Width::B8][usize::from(a >> 6)];
                let at = place(region, a, b);
                if let Some((chip, offset)) = route(PhysAddr(at), width) {
                    let value = value & width.mask();
                    board
                        .access(chip, offset, width, (what > 4).then_some(value))
                        .hash(&mut seen);
                }
            }
        }
        board.check(&mut seen);
    }
    board.finish(seen)
}

/// An address in a window, mostly among the registers that exist.
fn place(region: u8, a: u8, b: u8) -> u64 {
    let region = &map::REGIONS[usize::from(region) % map::REGIONS.len()];
    let near = u64::from(b) * 4;
    let far = match a % 8 {
        0..3 => near,
        3 => near / 4,
        4 => region.size.saturating_sub(1 + near),
        5 => 0x2000 + near,
        6 if region.chip == Chip::Plic => 0x20_0000 + u64::from(b % 8) * 0x1000 + near / 64 % 2 * 4,
        6 => 0x4000 + near % 64,
        _ => 0xbff8 + near % 8,
    };
    region.base + far % region.size
}

impl Board {
    fn new() -> Self {
        let ram = 4096;
        Self {
            arena: Heap::for_ram(ram)
                .and_then(|heap| Arena::new(heap, ram))
                .expect("a page of memory"),
            lines: Lines::default(),
            now: Ticks(0),
            pending: Pending::default(),
            rom: Rom::new(vec![0x5a; 100]),
            finisher: Finisher::default(),
            rtc: Rtc::new(1_700_000_000, map::RTC_IRQ),
            aclint: Aclint::new(HARTS),
            plic: Plic::new(HARTS),
            uart: Uart::new(map::UART_IRQ),
        }
    }

    /// Reads, or writes `value`; returns what was read.
    fn access(&mut self, chip: Chip, offset: u64, width: Width, value: Option<u64>) -> u64 {
        let mut cx = Ctx {
            memory: Memory::new(self.arena.ram()),
            lines: &mut self.lines,
            now: self.now,
            host: &mut NoHost,
            pending: &mut self.pending,
        };
        let device: &mut dyn Device = match chip {
            Chip::Rom => &mut self.rom,
            Chip::Finisher => &mut self.finisher,
            Chip::Rtc => &mut self.rtc,
            Chip::Aclint => &mut self.aclint,
            Chip::Plic => &mut self.plic,
            Chip::Uart => &mut self.uart,
            Chip::Virtio(_) => return 0,
        };
        match value {
            Some(value) => {
                device.write(offset, width, value, &mut cx);
                0
            }
            None => {
                let read = device.read(offset, width, &mut cx);
                assert_eq!(read & !width.mask(), 0, "{chip:?} {offset:#x} {width:?}");
                read
            }
        }
    }

    fn check(&mut self, seen: &mut DefaultHasher) {
        self.plic.sample(&self.lines);
        for hart in 0..=HARTS {
            let external = self.plic.external(hart);
            let own = (self.aclint.msip(hart), self.aclint.mtip(hart, self.now));
            (external, own).hash(seen);
            if hart == HARTS {
                assert_eq!((external, own), ((false, false), (false, false)));
            }
        }
        let timer = self.aclint.deadline(self.now);
        assert!(timer.is_none_or(|due| due > self.now));
        let alarm = self.rtc.deadline(self.now);
        assert!(alarm.is_none_or(|due| due >= self.now));
        (timer, alarm, self.finisher.take()).hash(seen);
    }

    fn finish(self, mut seen: DefaultHasher) -> u64 {
        (self.rom, self.finisher, self.rtc).hash(&mut seen);
        (self.aclint, self.plic, self.uart).hash(&mut seen);
        self.lines.levels().hash(&mut seen);
        seen.finish()
    }
}
