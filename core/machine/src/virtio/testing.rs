//! A driver's side for tests: a slot with RAM, wires and an embedder, and the ring as a driver
//! (or something worse) writes it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::regs::{Features, Register, status};
use super::{BlockConfig, ConsoleConfig, DeviceKind, Slot, blk::Blk, console::Console, rng::Rng};
use crate::arena::{Arena, Guarded};
use crate::bus::{Ctx, Device};
use crate::host::{BlockError, BlockRequest, ConsoleId, Host, SECTOR_SIZE, Submitted, Token};
use crate::irq::Lines;
use crate::mem::{Memory, PhysAddr, RAM_BASE, Width};
use crate::pending::{Latency, Pending};
use crate::time::Ticks;

/// Bytes of the rig's RAM.
pub const RAM: u64 = 4 << 20;
/// Where buffers may lie: behind the rings.
pub const BUFFERS: u64 = RAM_BASE + 0x10_0000;
/// The slot under test.
pub const SLOT: usize = 2;
/// Sectors of the rig's disk.
pub const SECTORS: u64 = 128;

/// Flags of a descriptor.
pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// All that the transport offers.
pub const ALL: Features = Features::TRANSPORT;

/// An embedder that notes everything.
#[derive(Default)]
pub struct TestHost {
    pub disk: Vec<u8>,
    pub requests: Vec<BlockRequest>,
    pub abandoned: Vec<Token>,
    pub tokens: Vec<Token>,
    /// Answers to be given instead of the true ones.
    pub fault: Option<Submitted>,
    pub printed: Vec<u8>,
    pub consoles: Vec<ConsoleId>,
    pub longest_print: usize,
}

impl TestHost {
    fn serve(&mut self, request: &BlockRequest) -> Result<Vec<u8>, BlockError> {
        let range = |sector: u64, len: u64| {
            let start = (sector * SECTOR_SIZE) as usize;
            start..start + len as usize
        };
        match request {
            BlockRequest::Read { sector, len } => Ok(self.disk[range(*sector, *len)].to_vec()),
            BlockRequest::Write { sector, data } => {
                self.disk[range(*sector, data.len() as u64)].copy_from_slice(data);
                Ok(Vec::new())
            }
            BlockRequest::WriteZeroes { sector, count, .. } => {
                self.disk[range(*sector, count * SECTOR_SIZE)].fill(0);
                Ok(Vec::new())
            }
            BlockRequest::Flush | BlockRequest::Discard { .. } => Ok(Vec::new()),
        }
    }
}

impl Host for TestHost {
    fn block(&mut self, _: usize, token: Token, request: &BlockRequest) -> Submitted {
        self.tokens.push(token);
        self.requests.push(request.clone());
        match &self.fault {
            Some(fault) => fault.clone(),
            None => Submitted::Done(self.serve(request)),
        }
    }

    fn abandon(&mut self, token: Token) {
        self.abandoned.push(token);
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        self.consoles.push(console);
        self.longest_print = self.longest_print.max(bytes.len());
        self.printed.extend_from_slice(bytes);
    }
}

/// Which device a test is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    Blk,
    ReadOnly,
    Console,
    Rng,
}

/// Every device, for tests of what they have in common.
pub const EVERY: [Which; 3] = [Which::Blk, Which::Console, Which::Rng];

impl Which {
    pub fn device(self) -> DeviceKind {
        match self {
            Which::Blk | Which::ReadOnly => DeviceKind::Block(
                Blk::new(BlockConfig {
                    disk: 0,
                    sectors: SECTORS,
                    read_only: self == Which::ReadOnly,
                    block_size: 512,
                    id: String::from("rig"),
                })
                .unwrap(),
            ),
            Which::Console => DeviceKind::Console(Console::new(ConsoleConfig {
                console: 1,
                cols: 80,
                rows: 25,
            })),
            Which::Rng => DeviceKind::Entropy(Rng::new(1, 0)),
        }
    }

    /// The queue in which a driver's chains are served at once.
    pub fn busy_queue(self) -> usize {
        usize::from(self == Which::Console)
    }
}

/// A slot, and everything around it.
pub struct Rig {
    pub arena: Arena,
    pub slot: Slot,
    pub lines: Lines,
    pub pending: Pending,
    pub host: TestHost,
    pub now: Ticks,
    sizes: [u16; 2],
    avail: [u16; 2],
    seen: [u16; 2],
}

impl Rig {
    pub fn new(which: Which) -> Self {
        Self::with_device(which.device())
    }

    pub fn with_device(device: DeviceKind) -> Self {
        let mut host = TestHost {
            disk: vec![0; (SECTORS * SECTOR_SIZE) as usize],
            ..TestHost::default()
        };
        for (at, byte) in host.disk.iter_mut().enumerate() {
            *byte = (at / 512 + at % 251 + 1) as u8;
        }
        Self {
            arena: Arena::new(Guarded::for_ram(RAM), RAM).unwrap(),
            slot: Slot::new(SLOT, device),
            lines: Lines::default(),
            pending: Pending::new(Latency::default()),
            host,
            now: Ticks(1000),
            sizes: [0; 2],
            avail: [0; 2],
            seen: [0; 2],
        }
    }

    /// A rig whose driver has its queues of `size` entries running with these features.
    pub fn running(which: Which, features: Features, size: u16) -> Self {
        let mut rig = Self::new(which);
        rig.start(features, size);
        rig
    }

    pub fn with<R>(&mut self, work: impl FnOnce(&mut Slot, &mut Ctx<'_>) -> R) -> R {
        let mut cx = Ctx {
            memory: Memory::new(self.arena.ram()),
            lines: &mut self.lines,
            now: self.now,
            host: &mut self.host,
            pending: &mut self.pending,
        };
        work(&mut self.slot, &mut cx)
    }

    pub fn read_at(&mut self, offset: u64, width: Width) -> u64 {
        self.with(|slot, cx| slot.read(offset, width, cx))
    }

    pub fn write_at(&mut self, offset: u64, width: Width, value: u64) {
        self.with(|slot, cx| slot.write(offset, width, value & width.mask(), cx));
    }

    pub fn read(&mut self, register: Register) -> u32 {
        self.read_at(register.offset(), Width::B4) as u32
    }

    pub fn write(&mut self, register: Register, value: u32) {
        self.write_at(register.offset(), Width::B4, u64::from(value));
    }

    pub fn status(&mut self) -> u32 {
        self.read(Register::Status)
    }

    pub fn needs_reset(&mut self) -> bool {
        self.status() & status::DEVICE_NEEDS_RESET != 0
    }

    pub fn line(&self) -> bool {
        self.lines.is_high(SLOT as u32 + 1)
    }

    pub fn offered(&mut self) -> Features {
        self.write(Register::DeviceFeaturesSel, 0);
        let low = u64::from(self.read(Register::DeviceFeatures));
        self.write(Register::DeviceFeaturesSel, 1);
        Features(low | u64::from(self.read(Register::DeviceFeatures)) << 32)
    }

    pub fn acknowledge(&mut self) {
        self.write(Register::Status, 0);
        self.write(Register::Status, status::ACKNOWLEDGE);
        self.write(Register::Status, status::ACKNOWLEDGE | status::DRIVER);
    }

    pub fn accept(&mut self, features: Features) {
        self.write(Register::DriverFeaturesSel, 0);
        self.write(Register::DriverFeatures, features.0 as u32);
        self.write(Register::DriverFeaturesSel, 1);
        self.write(Register::DriverFeatures, (features.0 >> 32) as u32);
    }

    pub fn or_status(&mut self, bits: u32) {
        let old = self.status();
        self.write(Register::Status, old | bits);
    }

    /// Everything up to but without DRIVER_OK.
    pub fn prepare(&mut self, features: Features, size: u16) {
        self.acknowledge();
        self.accept(features);
        self.or_status(status::FEATURES_OK);
        assert_ne!(self.status() & status::FEATURES_OK, 0);
        for queue in 0..self.queues() {
            self.enable(queue, size);
        }
    }

    pub fn start(&mut self, features: Features, size: u16) {
        self.prepare(features, size);
        self.or_status(status::DRIVER_OK);
        assert!(self.slot.is_running());
    }

    pub fn queues(&self) -> usize {
        self.slot.device().unwrap().device().queue_sizes().len()
    }

    pub fn desc_area(queue: usize) -> u64 {
        RAM_BASE + 0x8000 * queue as u64
    }

    pub fn avail_area(queue: usize) -> u64 {
        Self::desc_area(queue) + 0x4000
    }

    pub fn used_area(queue: usize) -> u64 {
        Self::desc_area(queue) + 0x6000
    }

    pub fn set_areas(&mut self, queue: usize, desc: u64, avail: u64, used: u64) {
        self.write(Register::QueueSel, queue as u32);
        for (register, value) in [
            (Register::QueueDescLow, desc),
            (Register::QueueDescHigh, desc >> 32),
            (Register::QueueDriverLow, avail),
            (Register::QueueDriverHigh, avail >> 32),
            (Register::QueueDeviceLow, used),
            (Register::QueueDeviceHigh, used >> 32),
        ] {
            self.write(register, value as u32);
        }
    }

    /// Zeroes the rings of a queue and makes it ready.
    pub fn enable(&mut self, queue: usize, size: u16) {
        self.memory()
            .zero(PhysAddr(Self::desc_area(queue)), 0x8000)
            .unwrap();
        self.set_areas(
            queue,
            Self::desc_area(queue),
            Self::avail_area(queue),
            Self::used_area(queue),
        );
        self.write(Register::QueueSize, u32::from(size));
        self.write(Register::QueueReady, 1);
        assert_eq!(self.read(Register::QueueReady), 1);
        (self.sizes[queue], self.avail[queue], self.seen[queue]) = (size, 0, 0);
    }

    pub fn memory(&mut self) -> Memory<'_> {
        Memory::new(self.arena.ram())
    }

    pub fn poke(&mut self, at: u64, bytes: &[u8]) {
        self.memory().write(PhysAddr(at), bytes).unwrap();
    }

    pub fn peek(&mut self, at: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.memory().read(PhysAddr(at), &mut out).unwrap();
        out
    }

    pub fn poke16(&mut self, at: u64, value: u16) {
        self.poke(at, &value.to_le_bytes());
    }

    pub fn peek16(&mut self, at: u64) -> u16 {
        self.memory().load(PhysAddr(at)).unwrap()
    }

    /// Writes descriptor `index` of any table.
    pub fn table(&mut self, table: u64, index: u16, at: u64, len: u32, flags: u16, next: u16) {
        let raw = u128::from(at)
            | u128::from(len) << 64
            | u128::from(flags) << 96
            | u128::from(next) << 112;
        self.poke(table + 16 * u64::from(index), &raw.to_le_bytes());
    }

    pub fn desc(&mut self, queue: usize, index: u16, at: u64, len: u32, flags: u16, next: u16) {
        self.table(Self::desc_area(queue), index, at, len, flags, next);
    }

    /// Writes a chain of (address, length, device-writable) from descriptor `head` on.
    pub fn chain(&mut self, queue: usize, head: u16, parts: &[(u64, u32, bool)]) {
        self.chain_in(Self::desc_area(queue), head, parts);
    }

    pub fn chain_in(&mut self, table: u64, head: u16, parts: &[(u64, u32, bool)]) {
        for (step, (at, len, write)) in parts.iter().enumerate() {
            let index = head + step as u16;
            let next = if step + 1 < parts.len() { NEXT } else { 0 };
            let write = if *write { WRITE } else { 0 };
            self.table(table, index, *at, *len, next | write, index + 1);
        }
    }

    /// Makes a head available without a notification.
    pub fn offer(&mut self, queue: usize, head: u16) {
        let entry = self.avail[queue] % self.sizes[queue];
        self.poke16(Self::avail_area(queue) + 4 + 2 * u64::from(entry), head);
        self.avail[queue] = self.avail[queue].wrapping_add(1);
        self.set_avail_index(queue, self.avail[queue]);
    }

    pub fn set_avail_index(&mut self, queue: usize, index: u16) {
        self.poke16(Self::avail_area(queue) + 2, index);
    }

    pub fn notify(&mut self, queue: usize) {
        self.write(Register::QueueNotify, queue as u32);
    }

    pub fn offer_and_notify(&mut self, queue: usize, head: u16) {
        self.offer(queue, head);
        self.notify(queue);
    }

    pub fn used_index(&mut self, queue: usize) -> u16 {
        self.peek16(Self::used_area(queue) + 2)
    }

    /// What was used since the last call: (head, length).
    pub fn used(&mut self, queue: usize) -> Vec<(u32, u32)> {
        let mut list = Vec::new();
        let index = self.used_index(queue);
        while self.seen[queue] != index {
            let entry = self.seen[queue] % self.sizes[queue];
            let at = Self::used_area(queue) + 4 + 8 * u64::from(entry);
            let raw: u64 = self.memory().load(PhysAddr(at)).unwrap();
            list.push((raw as u32, (raw >> 32) as u32));
            self.seen[queue] = self.seen[queue].wrapping_add(1);
            assert!(list.len() <= 65536);
        }
        list
    }

    /// Lets every request under way come back, in order, as far as the embedder has answered.
    pub fn settle(&mut self) {
        self.now = Ticks(self.now.0 + 1_000_000);
        self.pending.pass_on(&mut self.host);
        while let Ok(Some(done)) = self.pending.pop(Ticks(u64::MAX)) {
            assert_eq!(done.slot, SLOT);
            self.with(|slot, cx| slot.complete(done.tag, done.result, cx));
        }
    }

    pub fn set_used_event(&mut self, queue: usize, index: u16) {
        let at = Self::avail_area(queue) + 4 + 2 * u64::from(self.sizes[queue]);
        self.poke16(at, index);
    }

    pub fn avail_event(&mut self, queue: usize) -> u16 {
        self.peek16(Self::used_area(queue) + 4 + 8 * u64::from(self.sizes[queue]))
    }

    /// Acknowledges whatever is asserted, and returns it.
    pub fn take_interrupts(&mut self) -> u32 {
        let bits = self.read(Register::InterruptStatus);
        self.write(Register::InterruptAck, bits);
        bits
    }

    /// A block request with header at [`BUFFERS`], data behind it at the next 4 KiB and status at
    /// the 4 KiB before the end of the area; returns after it has come back.
    pub fn request(
        &mut self,
        kind: u32,
        sector: u64,
        data: u32,
        device_writes: bool,
    ) -> Option<u8> {
        self.header(BUFFERS, kind, sector);
        self.poke(STATUS, &[0xee]);
        let parts: &[(u64, u32, bool)] = if data == 0 {
            &[(BUFFERS, 16, false), (STATUS, 1, true)]
        } else {
            &[
                (BUFFERS, 16, false),
                (DATA, data, device_writes),
                (STATUS, 1, true),
            ]
        };
        self.chain(0, 0, parts);
        self.offer_and_notify(0, 0);
        self.settle();
        let status = self.peek(STATUS, 1)[0];
        (status != 0xee).then_some(status)
    }

    pub fn header(&mut self, at: u64, kind: u32, sector: u64) {
        let raw = u128::from(kind) | u128::from(sector) << 64;
        self.poke(at, &raw.to_le_bytes());
    }
}

/// Where [`Rig::request`] has its data.
pub const DATA: u64 = BUFFERS + 0x1000;
/// Where [`Rig::request`] has its status byte.
pub const STATUS: u64 = RAM_BASE + RAM - 0x1000;
