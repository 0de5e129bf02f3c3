//! What the drivers run on: slots, RAM and an embedder, one set a thread (the drivers' interface
//! to memory has no place for a context).
#![allow(
    unsafe_code,
    reason = "the drivers take pointers into guest memory, as drivers do"
)]

use std::cell::RefCell;
use std::ptr::NonNull;

use virtarium_machine::arena::{Arena, Heap, PAGE_SIZE, RAM_OFFSET};
use virtarium_machine::bus::{Ctx, Device};
use virtarium_machine::host::{BlockError, BlockRequest, ConsoleId, Host, Submitted, Token};
use virtarium_machine::irq::Lines;
use virtarium_machine::mem::{Memory, PhysAddr, RAM_BASE, Width};
use virtarium_machine::pending::{Latency, Pending};
use virtarium_machine::time::Ticks;
use virtarium_machine::virtio::{DeviceKind, Slot};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Hal};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const RAM: u64 = 32 << 20;

/// The embedder's side.
#[derive(Default)]
pub struct Embedder {
    pub disks: Vec<Vec<u8>>,
    pub requests: Vec<(usize, BlockRequest)>,
    printed: Vec<Vec<u8>>,
    pub consoles: Vec<ConsoleId>,
}

impl Host for Embedder {
    fn block(&mut self, disk: usize, _: Token, request: &BlockRequest) -> Submitted {
        self.requests.push((disk, request.clone()));
        let bytes = &mut self.disks[disk];
        let result = match request {
            BlockRequest::Read { sector, len } => {
                let at = *sector as usize * 512;
                Ok(bytes[at..at + *len as usize].to_vec())
            }
            BlockRequest::Write { sector, data } => {
                let at = *sector as usize * 512;
                bytes[at..at + data.len()].copy_from_slice(data);
                Ok(Vec::new())
            }
            BlockRequest::Flush => Ok(Vec::new()),
            _ => Err(BlockError::Unsupported),
        };
        Submitted::Done(result)
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        self.consoles.push(console);
        if let ConsoleId::Virtio(n) = console {
            if self.printed.len() <= n {
                self.printed.resize(n + 1, Vec::new());
            }
            self.printed[n].extend_from_slice(bytes);
        }
    }
}

/// Slots, RAM and what is around them.
pub struct World {
    arena: Arena,
    /// The first byte of RAM in this process.
    ram: NonNull<u8>,
    /// The next page that nobody has.
    free: u64,
    slots: Vec<Slot>,
    pub lines: Lines,
    pending: Pending,
    embedder: Embedder,
    /// Whether completions wait for [`World::settle`].
    pub hold: bool,
}

impl std::ops::Deref for World {
    type Target = Embedder;
    fn deref(&self) -> &Embedder {
        &self.embedder
    }
}

impl std::ops::DerefMut for World {
    fn deref_mut(&mut self) -> &mut Embedder {
        &mut self.embedder
    }
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The world of this thread.
pub fn world<R>(work: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(|world| work(world.as_mut().expect("World::start was called")))
}

impl World {
    /// A new world with these devices, in slots 0, 1, ...
    pub fn start<const N: usize>(devices: [DeviceKind; N]) {
        let storage = Heap::for_ram(RAM).unwrap();
        let ram = storage.base();
        // SAFETY: the arena has its RAM at this offset of the storage.
        let ram = unsafe { ram.add(RAM_OFFSET) };
        let mut embedder = Embedder::default();
        for device in &devices {
            if let DeviceKind::Block(blk) = device {
                let config = blk.config();
                let count = embedder.disks.len().max(config.disk + 1);
                embedder.disks.resize(count, Vec::new());
                embedder.disks[config.disk] = vec![0; config.sectors as usize * 512];
            }
        }
        let world = World {
            arena: Arena::new(storage, RAM).unwrap(),
            ram,
            free: 0,
            slots: devices
                .into_iter()
                .enumerate()
                .map(|(index, device)| Slot::new(index, device))
                .collect(),
            lines: Lines::default(),
            pending: Pending::new(Latency::default()),
            embedder,
            hold: false,
        };
        WORLD.set(Some(world));
    }

    pub fn with<R>(&mut self, slot: usize, work: impl FnOnce(&mut Slot, &mut Ctx<'_>) -> R) -> R {
        let mut cx = Ctx {
            memory: Memory::new(self.arena.ram()),
            lines: &mut self.lines,
            now: Ticks(0),
            host: &mut self.embedder,
            pending: &mut self.pending,
        };
        work(&mut self.slots[slot], &mut cx)
    }

    /// Lets everything under way come back.
    pub fn settle() {
        world(|world| {
            while let Ok(Some(done)) = world.pending.pop(Ticks(u64::MAX)) {
                world.with(done.slot, |slot, cx| {
                    slot.complete(done.tag, done.result, cx)
                });
            }
        });
    }

    /// What a console has printed so far.
    pub fn printed(console: usize) -> Vec<u8> {
        world(|world| world.printed.get(console).cloned().unwrap_or_default())
    }

    /// Types on the console of this number; returns how much was taken.
    pub fn type_in(console: usize, bytes: &[u8]) -> usize {
        world(|world| {
            let slot = world
                .slots
                .iter()
                .position(|slot| match slot.device() {
                    Some(DeviceKind::Console(found)) => found.config().console == console,
                    _ => false,
                })
                .expect("a console of this number");
            world.with(slot, |slot, cx| slot.console_input(bytes, cx))
        })
    }

    /// Fresh pages: where they are for the device, and for the driver.
    fn pages(&mut self, bytes: usize) -> (u64, NonNull<u8>) {
        let at = self.free;
        self.free += (bytes as u64).next_multiple_of(PAGE_SIZE);
        assert!(
            self.free <= RAM,
            "the drivers of one test take more memory than there is"
        );
        // SAFETY: `at` lies in RAM.
        (RAM_BASE + at, unsafe { self.ram.add(at as usize) })
    }
}

/// Memory for the drivers. What they share lies elsewhere and is copied, so that a device that
/// writes before it is asked to, or after, is found out.
pub struct Dma;

// SAFETY: pages are handed out once each, page-aligned and zero, and stay valid as long as the
// world of the thread, which outlives the drivers of a test.
unsafe impl Hal for Dma {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (u64, NonNull<u8>) {
        world(|world| world.pages(pages * PAGE_SIZE as usize))
    }

    unsafe fn dma_dealloc(_: u64, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: u64, _: usize) -> NonNull<u8> {
        unreachable!("registers are reached through the transport")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> u64 {
        world(|world| {
            let (at, _) = world.pages(buffer.len());
            if direction != BufferDirection::DeviceToDriver {
                // SAFETY: the driver lends the buffer for this call.
                let bytes = unsafe { buffer.as_ref() };
                Memory::new(world.arena.ram())
                    .write(PhysAddr(at), bytes)
                    .unwrap();
            }
            at
        })
    }

    unsafe fn unshare(at: u64, mut buffer: NonNull<[u8]>, direction: BufferDirection) {
        world(|world| {
            if direction != BufferDirection::DriverToDevice {
                // SAFETY: the driver lends the buffer for this call.
                let bytes = unsafe { buffer.as_mut() };
                Memory::new(world.arena.ram())
                    .read(PhysAddr(at), bytes)
                    .unwrap();
            }
        });
    }
}

/// The registers of a slot, by the offsets of virtio 1.2, 4.2.2.
pub struct Registers(pub usize);

impl Registers {
    fn read(&self, offset: u64) -> u32 {
        world(|w| w.with(self.0, |slot, cx| slot.read(offset, Width::B4, cx))) as u32
    }

    fn write(&self, offset: u64, value: u32) {
        world(|w| {
            w.with(self.0, |slot, cx| {
                slot.write(offset, Width::B4, u64::from(value), cx);
            });
        });
        if !world(|w| w.hold) {
            World::settle();
        }
    }
}

impl Transport for Registers {
    fn device_type(&self) -> DeviceType {
        assert_eq!(self.read(0x000), 0x7472_6976);
        assert_eq!(self.read(0x004), 2);
        DeviceType::try_from(self.read(0x008)).unwrap()
    }

    fn read_device_features(&mut self) -> u64 {
        self.write(0x014, 0);
        let low = u64::from(self.read(0x010));
        self.write(0x014, 1);
        low | u64::from(self.read(0x010)) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        self.write(0x024, 0);
        self.write(0x020, features as u32);
        self.write(0x024, 1);
        self.write(0x020, (features >> 32) as u32);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.write(0x030, u32::from(queue));
        self.read(0x034)
    }

    fn notify(&mut self, queue: u16) {
        self.write(0x050, u32::from(queue));
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.read(0x070))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.write(0x070, status.bits());
        // 3.1.1: what the driver sets stays set, or its negotiation has failed.
        assert_eq!(self.get_status(), status);
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, size: u32, desc: u64, driver: u64, device: u64) {
        self.write(0x030, u32::from(queue));
        self.write(0x038, size);
        for (offset, address) in [(0x080, desc), (0x090, driver), (0x0a0, device)] {
            self.write(offset, address as u32);
            self.write(offset + 4, (address >> 32) as u32);
        }
        self.write(0x044, 1);
        assert_eq!(self.read(0x044), 1);
    }

    fn queue_unset(&mut self, queue: u16) {
        self.write(0x030, u32::from(queue));
        self.write(0x044, 0);
        assert_eq!(self.read(0x044), 0);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.write(0x030, u32::from(queue));
        self.read(0x044) != 0
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let bits = self.read(0x060);
        self.write(0x064, bits);
        InterruptStatus::from_bits_retain(bits)
    }

    fn read_config_generation(&self) -> u32 {
        self.read(0x0fc)
    }

    fn read_config_space<T: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> virtio_drivers::Result<T> {
        // Byte by byte, which is legal for every field.
        let bytes: Vec<u8> = (0..size_of::<T>())
            .map(|at| {
                let at = 0x100 + (offset + at) as u64;
                world(|w| w.with(self.0, |slot, cx| slot.read(at, Width::B1, cx))) as u8
            })
            .collect();
        Ok(T::read_from_bytes(&bytes).expect("as many bytes as the type has"))
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> virtio_drivers::Result<()> {
        let bytes = value.as_bytes();
        let mut raw = [0; 8];
        raw[..bytes.len()].copy_from_slice(bytes);
        let width = match bytes.len() {
            1 => Width::B1,
            2 => Width::B2,
            4 => Width::B4,
            _ => Width::B8,
        };
        let at = 0x100 + offset as u64;
        world(|w| {
            w.with(self.0, |slot, cx| {
                slot.write(at, width, u64::from_le_bytes(raw), cx);
            });
        });
        Ok(())
    }
}
