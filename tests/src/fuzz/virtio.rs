//! A driver made of bytes: registers, rings and host answers in any order, on each virtio device.

use std::collections::BTreeSet;

use virtarium_machine::arena::{Arena, Heap};
use virtarium_machine::bus::{Ctx, Device};
use virtarium_machine::host::{
    BlockError, BlockRequest, BlockResult, ConsoleId, Host, SECTOR_SIZE, Submitted, Token,
};
use virtarium_machine::irq::Lines;
use virtarium_machine::mem::{Memory, PhysAddr, RAM_BASE, Width};
use virtarium_machine::pending::{Latency, Pending};
use virtarium_machine::time::Ticks;
use virtarium_machine::virtio::blk::{Blk, IN_FLIGHT_LIMIT, PIECE};
use virtarium_machine::virtio::console::Console;
use virtarium_machine::virtio::regs::{Features, Register, TABLE, status};
use virtarium_machine::virtio::rng::Rng;
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig, DeviceKind, Slot};

const RAM: u64 = 1 << 20;
const SECTORS: u64 = 64;
const SLOT: usize = 1;
/// Entries of the queues that the body sets up itself.
const SIZE: u16 = 8;
/// Steps of one input at most, so that no input takes long.
const STEPS: usize = 2000;

/// The bytes, one after the other; zeros when there are no more.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }

    /// A number that matters, or any.
    fn value(&mut self) -> u64 {
        const DICTIONARY: [u64; 16] = [
            0,
            1,
            2,
            7,
            8,
            9,
            16,
            512,
            513,
            0x7fff,
            0xffff,
            0x8000_0000,
            0xffff_ffff,
            1 << 32,
            1 << 63,
            u64::MAX,
        ];
        match self.byte() {
            n @ 0..16 => DICTIONARY[usize::from(n)],
            n @ 16..128 => u64::from(n) - 16,
            128..200 => u64::from(self.u16()),
            _ => self.u64(),
        }
    }

    /// An address: mostly in RAM, sometimes at its ends or in a device.
    fn address(&mut self) -> u64 {
        match self.byte() {
            0..8 => RAM_BASE + RAM - 4 + u64::from(self.byte() % 8),
            8..16 => 0x1000_1000 + u64::from(self.u16()),
            16..20 => self.u64(),
            20..60 => RAM_BASE + u64::from(self.u16()),
            _ => RAM_BASE + u64::from(self.u16()) * 16 % RAM,
        }
    }
}

/// Checks what it is asked and answers as it was told.
#[derive(Default)]
struct Embedder {
    read_only: bool,
    answer: u8,
    /// Token, bytes that are read, first and last but one sector, whether they change.
    waiting: Vec<(Token, u64, [u64; 2], bool)>,
    alive: BTreeSet<Token>,
    printed: usize,
}

fn answer(kind: u8, bytes: u64) -> BlockResult {
    match kind % 8 {
        0 => Err(BlockError::Io),
        1 => Err(BlockError::Unsupported),
        2 => Ok(vec![0x5a; bytes as usize + 1]),
        3 => Ok(Vec::new()),
        _ => Ok(vec![0x5a; bytes as usize]),
    }
}

impl Host for Embedder {
    fn block(&mut self, disk: usize, token: Token, request: &BlockRequest) -> Submitted {
        assert_eq!(disk, 4);
        assert!(self.alive.insert(token), "a token is used once");
        let (start, count, writes, bytes) = match request {
            BlockRequest::Read { sector, len } => {
                assert_eq!(len % SECTOR_SIZE, 0);
                (*sector, len / SECTOR_SIZE, false, *len)
            }
            BlockRequest::Write { sector, data } => {
                assert_eq!(data.len() as u64 % SECTOR_SIZE, 0);
                (*sector, data.len() as u64 / SECTOR_SIZE, true, 0)
            }
            BlockRequest::Discard { sector, count } => (*sector, *count, true, 0),
            BlockRequest::WriteZeroes { sector, count, .. } => (*sector, *count, true, 0),
            BlockRequest::Flush => (0, 0, false, 0),
        };
        assert!(start + count <= SECTORS, "checked before it gets here");
        assert!(!(writes && self.read_only));
        assert!(bytes <= u64::from(PIECE));
        let sectors = [start, start + count];
        for (other, _, [from, to], changes) in &self.waiting {
            let common = (*from).max(sectors[0]) < (*to).min(sectors[1]);
            let told_apart = common && (writes || *changes);
            assert!(!told_apart, "{token:?} overtakes {other:?}");
        }
        if self.answer & 0x80 == 0 {
            self.waiting.push((token, bytes, sectors, writes));
            Submitted::Pending
        } else {
            Submitted::Done(answer(self.answer, bytes))
        }
    }

    fn abandon(&mut self, token: Token) {
        assert!(self.alive.contains(&token));
        self.waiting.retain(|(other, _, _, changes)| {
            assert!(*other != token || !changes, "a change is dropped");
            *other != token
        });
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        assert_eq!(console, ConsoleId::Virtio(3));
        assert!(!bytes.is_empty() && bytes.len() <= 4096);
        self.printed += bytes.len();
    }
}

struct Rig {
    arena: Arena,
    slot: Slot,
    lines: Lines,
    pending: Pending,
    host: Embedder,
    avail: [u16; 2],
}

impl Rig {
    fn new(kind: u8) -> Self {
        let read_only = kind % 4 == 1;
        let device = match kind % 4 {
            2 => DeviceKind::Console(Console::new(ConsoleConfig {
                console: 3,
                cols: 80,
                rows: 25,
            })),
            3 => DeviceKind::Entropy(Rng::new(1, 0)),
            _ => {
                let config = BlockConfig {
                    disk: 4,
                    sectors: SECTORS,
                    read_only,
                    id: "fuzz".into(),
                    ..BlockConfig::default()
                };
                DeviceKind::Block(Blk::new(config).expect("a sound configuration"))
            }
        };
        let storage = Heap::for_ram(RAM).expect("memory for the test");
        Self {
            arena: Arena::new(storage, RAM).expect("a size that is a multiple of a page"),
            slot: Slot::new(SLOT, device),
            lines: Lines::default(),
            pending: Pending::new(Latency::default()),
            host: Embedder {
                read_only,
                ..Embedder::default()
            },
            avail: [0; 2],
        }
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut Slot, &mut Ctx<'_>) -> R) -> R {
        let mut cx = Ctx {
            memory: Memory::new(self.arena.ram()),
            lines: &mut self.lines,
            now: Ticks(0),
            host: &mut self.host,
            pending: &mut self.pending,
        };
        work(&mut self.slot, &mut cx)
    }

    fn memory(&mut self) -> Memory<'_> {
        Memory::new(self.arena.ram())
    }

    fn read(&mut self, register: Register) -> u32 {
        self.with(|slot, cx| slot.read(register.offset(), Width::B4, cx)) as u32
    }

    fn write(&mut self, register: Register, value: u32) {
        self.with(|slot, cx| slot.write(register.offset(), Width::B4, u64::from(value), cx));
    }

    fn poke(&mut self, at: u64, bytes: &[u8]) {
        // An address outside of RAM is the driver's own mistake, not the device's.
        let _ = self.memory().write(PhysAddr(at), bytes);
    }

    fn area(queue: usize, area: u64) -> u64 {
        RAM_BASE + 0x1000 * (3 * queue as u64 + area)
    }

    /// A driver that does everything right, up to DRIVER_OK.
    fn start(&mut self, features: u64) {
        self.write(Register::Status, 0);
        self.write(Register::Status, status::ACKNOWLEDGE | status::DRIVER);
        self.write(Register::DeviceFeaturesSel, 0);
        let low = u64::from(self.read(Register::DeviceFeatures));
        self.write(Register::DeviceFeaturesSel, 1);
        let high = u64::from(self.read(Register::DeviceFeatures));
        let features = (low | high << 32) & features;
        for sel in 0..2 {
            self.write(Register::DriverFeaturesSel, sel);
            self.write(Register::DriverFeatures, (features >> (32 * sel)) as u32);
        }
        let bits = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;
        self.write(Register::Status, bits);
        for queue in 0..2 {
            self.poke(Self::area(queue, 0), &[0; 0x3000]);
            self.write(Register::QueueSel, queue as u32);
            self.write(Register::QueueSize, u32::from(SIZE));
            for (register, area) in [
                (Register::QueueDescLow, 0),
                (Register::QueueDriverLow, 1),
                (Register::QueueDeviceLow, 2),
            ] {
                self.write(register, Self::area(queue, area) as u32);
            }
            for register in [
                Register::QueueDescHigh,
                Register::QueueDriverHigh,
                Register::QueueDeviceHigh,
            ] {
                self.write(register, 0);
            }
            self.write(Register::QueueReady, 1);
        }
        self.write(Register::Status, bits | status::DRIVER_OK);
        self.avail = [0; 2];
    }

    fn descriptor(&mut self, queue: usize, index: u16, input: &mut Input<'_>) {
        let at = input.address();
        let len = input.value() as u32;
        let flags = u16::from(input.byte());
        let next = u16::from(input.byte() % 10);
        let raw = u128::from(at)
            | u128::from(len) << 64
            | u128::from(flags & 7) << 96
            | u128::from(next) << 112;
        self.poke(
            Self::area(queue, 0) + 16 * u64::from(index),
            &raw.to_le_bytes(),
        );
    }

    fn offer(&mut self, queue: usize, head: u16) {
        let entry = u64::from(self.avail[queue] % SIZE);
        self.poke(Self::area(queue, 1) + 4 + 2 * entry, &head.to_le_bytes());
        self.avail[queue] = self.avail[queue].wrapping_add(1);
        let index = self.avail[queue].to_le_bytes();
        self.poke(Self::area(queue, 1) + 2, &index);
    }

    /// A request to a disk: of few sectors at its beginning, where others are under way, or sound but
    /// for its sector and its length.
    fn request(&mut self, input: &mut Input<'_>) {
        let head = u16::from(input.byte() % 6);
        let kind = [0u32, 1, 4, 8, 11, 13, 0, 1][usize::from(input.byte() % 8)];
        let (sector, len) = match input.byte() % 4 {
            0 => (input.value(), (input.value() as u32) % 0x4_0000),
            _ => {
                let at = input.byte();
                (u64::from(at % 8), 512 * u32::from(at >> 6))
            }
        };
        let header = u128::from(kind) | u128::from(sector) << 64;
        let data = RAM_BASE + 0x2_0000;
        self.poke(RAM_BASE + 0x1_0000, &header.to_le_bytes());
        let write = if matches!(kind, 0 | 8) { 2u16 } else { 0 };
        for (step, (at, len, flags)) in [
            (RAM_BASE + 0x1_0000, 16, 1),
            (data, len, 1 | write),
            (RAM_BASE + 0x1_0800, 1, 2),
        ]
        .into_iter()
        .enumerate()
        {
            let index = head + step as u16;
            let raw = u128::from(at)
                | u128::from(len) << 64
                | u128::from(flags) << 96
                | u128::from(index + 1) << 112;
            self.poke(Self::area(0, 0) + 16 * u64::from(index), &raw.to_le_bytes());
        }
        self.offer(0, head);
        self.write(Register::QueueNotify, 0);
    }

    /// Results come in, and those that are due are delivered.
    fn settle(&mut self, how: u8) {
        for (token, bytes, ..) in std::mem::take(&mut self.host.waiting) {
            self.pending.complete(token, answer(how, bytes));
        }
        self.pending.pass_on(&mut self.host);
        // Each completion submits one piece at most, and takes what the ring has.
        for _ in 0..1000 {
            match self.pending.pop(Ticks(u64::MAX)) {
                Ok(Some(done)) => {
                    assert_eq!(done.slot, SLOT);
                    self.with(|slot, cx| slot.complete(done.tag, done.result, cx));
                }
                Ok(None) | Err(_) => break,
            }
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        const WIDTHS: [Width; 4] = [Width::B1, Width::B2, Width::B4, Width::B8];
        let op = input.byte();
        let queue = usize::from(op >> 7);
        match op % 16 {
            0 => {
                let (_, register, _) = TABLE[usize::from(input.byte()) % TABLE.len()];
                let value = input.value() as u32;
                self.write(register, value);
            }
            1 => {
                let (offset, width) = (input.value() % 0x1000, WIDTHS[usize::from(op >> 6)]);
                let value = self.with(|slot, cx| slot.read(offset, width, cx));
                assert_eq!(value & !width.mask(), 0);
            }
            2 => {
                let (offset, width) = (input.value() % 0x1000, WIDTHS[usize::from(op >> 6)]);
                let value = input.value() & width.mask();
                self.with(|slot, cx| slot.write(offset, width, value, cx));
            }
            3 => {
                let (at, value) = (input.address(), input.value());
                self.poke(at, &value.to_le_bytes());
            }
            4..=6 => {
                let index = u16::from(input.byte() % 9);
                self.descriptor(queue, index, input);
            }
            7 | 8 => {
                let head = u16::from(input.byte() % 9);
                self.offer(queue, head);
                self.write(Register::QueueNotify, queue as u32);
            }
            9 => self.settle(input.byte()),
            10 => {
                let len = usize::from(input.u16());
                let taken = self.with(|slot, cx| slot.console_input(&vec![0x61; len], cx));
                assert!(taken <= len);
            }
            11 => {
                let (cols, rows) = (input.u16(), input.u16());
                self.with(|slot, cx| slot.resize(cols, rows, cx));
            }
            12 => {
                let features = if op & 0x40 == 0 {
                    u64::MAX
                } else {
                    input.u64()
                };
                self.start(features);
            }
            13 => self.host.answer = input.byte(),
            _ => self.request(input),
        }
    }

    /// What must hold whatever the driver has done.
    fn check(&mut self) {
        let asserted = self.read(Register::InterruptStatus);
        assert_eq!(asserted & !3, 0);
        assert_eq!(self.lines.is_high(SLOT as u32 + 1), asserted != 0);
        let requests = self.pending.requests();
        let held: u64 = requests
            .iter()
            .map(|request| match &request.request {
                BlockRequest::Read { len, .. } => *len,
                BlockRequest::Write { data, .. } => data.len() as u64,
                _ => 0,
            })
            .sum();
        assert!(held < IN_FLIGHT_LIMIT + u64::from(PIECE));
        match self.slot.device() {
            Some(DeviceKind::Block(blk)) => assert_eq!(blk.in_flight(), requests.len()),
            _ => assert!(requests.is_empty()),
        }
        assert!(requests.len() <= 256);
    }

    /// After a reset a driver that does it right is served, whatever was before.
    fn check_recovery(&mut self) {
        self.host.answer = 0xff;
        self.start(Features::VERSION_1.0);
        for queue in 0..2 {
            self.write(Register::QueueSel, queue as u32);
            if self.read(Register::QueueSizeMax) == 0 {
                continue;
            }
            let at = RAM_BASE + 0x1_0000;
            self.poke(at, &8u128.to_le_bytes());
            let write = |index: u64, flags: u16| {
                u128::from(at + 32 * index) | 21 << 64 | u128::from(flags) << 96 | 1 << 112
            };
            let parts = match self.slot.device() {
                Some(DeviceKind::Block(_)) => [write(0, 1), write(1, 2)],
                Some(DeviceKind::Console(_)) if queue == 1 => [write(0, 1), write(1, 0)],
                _ => [write(0, 3), write(1, 2)],
            };
            for (index, raw) in parts.into_iter().enumerate() {
                let entry = Self::area(queue, 0) + 16 * index as u64;
                self.poke(entry, &raw.to_le_bytes());
            }
            self.offer(queue, 0);
            self.with(|slot, cx| slot.console_input(b"x", cx));
            self.write(Register::QueueNotify, queue as u32);
            let used: u16 = self
                .memory()
                .load(PhysAddr(Self::area(queue, 2) + 2))
                .expect("in RAM");
            assert_eq!(used, 1, "queue {queue} works again");
            assert_ne!(self.read(Register::InterruptStatus), 0);
        }
    }
}

/// Drives one device, chosen by the first byte, by what the other bytes say.
///
/// # Panics
/// When an invariant of the transport or of a device is broken; that is what it is for.
pub fn fuzz_virtio_mmio(data: &[u8]) {
    let mut input = Input(data);
    let mut rig = Rig::new(input.byte());
    if input.byte() & 1 != 0 {
        rig.start(u64::MAX);
    }
    for _ in 0..STEPS {
        if input.0.is_empty() {
            break;
        }
        rig.step(&mut input);
        rig.check();
    }
    rig.check_recovery();
}
