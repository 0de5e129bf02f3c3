//! The devices under drivers that others wrote: the crate `virtio-drivers`, which knows nothing of
//! this machine but its registers and its memory.

mod world;

use virtarium_machine::host::{BlockRequest, ConsoleId};
use virtarium_machine::virtio::blk::Blk;
use virtarium_machine::virtio::console::Console;
use virtarium_machine::virtio::rng::Rng;
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig, DeviceKind};
use virtio_drivers::Error;
use virtio_drivers::device::blk::{SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::device::console::{Size, VirtIOConsole};
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::{DeviceType, Transport};
use world::{Dma, Registers, World, world};

fn disk(disk: usize, sectors: u64, read_only: bool) -> DeviceKind {
    let config = BlockConfig {
        disk,
        sectors,
        read_only,
        id: format!("disk {disk}"),
        ..BlockConfig::default()
    };
    DeviceKind::Block(Blk::new(config).unwrap())
}

fn console(console: usize) -> DeviceKind {
    DeviceKind::Console(Console::new(ConsoleConfig {
        console,
        cols: 132,
        rows: 43,
    }))
}

fn blk(slot: usize) -> VirtIOBlk<Dma, Registers> {
    VirtIOBlk::new(Registers(slot)).unwrap()
}

/// Sectors that differ from one another.
fn pattern(sectors: usize, salt: usize) -> Vec<u8> {
    (0..sectors * SECTOR_SIZE)
        .map(|at| (at / SECTOR_SIZE * 31 + at % 241 + salt) as u8)
        .collect()
}

#[test]
fn the_transports_find_the_right_kinds() {
    World::start([
        disk(0, 8, false),
        console(0),
        DeviceKind::Entropy(Rng::new(1, 0)),
    ]);
    assert_eq!(Registers(0).device_type(), DeviceType::Block);
    assert_eq!(Registers(1).device_type(), DeviceType::Console);
    assert_eq!(Registers(2).device_type(), DeviceType::EntropySource);
}

#[test]
fn blocks_are_read_and_written() {
    World::start([disk(0, 64, false)]);
    world(|w| w.disks[0] = pattern(64, 0));
    let mut blk = blk(0);
    assert_eq!(blk.capacity(), 64);
    assert!(!blk.readonly());

    let mut sectors = vec![0; 5 * SECTOR_SIZE];
    blk.read_blocks(7, &mut sectors).unwrap();
    assert_eq!(sectors, pattern(64, 0)[7 * SECTOR_SIZE..12 * SECTOR_SIZE]);

    let new = pattern(3, 99);
    blk.write_blocks(60, &new).unwrap();
    assert_eq!(
        world(|w| w.disks[0][60 * SECTOR_SIZE..63 * SECTOR_SIZE].to_vec()),
        new
    );
    let mut back = vec![0; 3 * SECTOR_SIZE];
    blk.read_blocks(60, &mut back).unwrap();
    assert_eq!(back, new);

    assert_eq!(
        blk.read_blocks(64, &mut sectors[..SECTOR_SIZE]),
        Err(Error::IoError)
    );
    assert_eq!(blk.write_blocks(62, &new), Err(Error::IoError));
    blk.read_blocks(63, &mut sectors[..SECTOR_SIZE]).unwrap();
}

#[test]
fn flush_reaches_the_host() {
    World::start([disk(0, 8, false)]);
    let mut blk = blk(0);
    blk.write_blocks(0, &pattern(1, 0)).unwrap();
    blk.flush().unwrap();
    assert_eq!(world(|w| w.requests.pop()), Some((0, BlockRequest::Flush)));
}

#[test]
fn the_disks_name_is_told() {
    World::start([disk(3, 8, false)]);
    let mut id = [0xff; 20];
    assert_eq!(blk(0).device_id(&mut id), Ok(6));
    assert_eq!(id, *b"disk 3\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn a_read_only_disk_is_known_as_such_and_stays_as_it_is() {
    World::start([disk(0, 8, true)]);
    world(|w| w.disks[0] = pattern(8, 1));
    let mut blk = blk(0);
    assert!(blk.readonly());
    assert_eq!(blk.write_blocks(0, &pattern(1, 0)), Err(Error::IoError));
    assert_eq!(world(|w| w.disks[0].clone()), pattern(8, 1));
}

#[test]
fn many_requests_go_once_around_the_ring() {
    World::start([disk(0, 64, false)]);
    world(|w| w.disks[0] = pattern(64, 0));
    let expected = pattern(64, 0);
    let mut blk = blk(0);
    let mut sector = vec![0; SECTOR_SIZE];
    for round in 0..1000 {
        let at = round * 13 % 64;
        blk.read_blocks(at, &mut sector).unwrap();
        assert_eq!(sector, expected[at * SECTOR_SIZE..][..SECTOR_SIZE]);
    }
}

#[test]
fn a_driver_starts_again_after_another_one() {
    World::start([disk(0, 8, false)]);
    for salt in 0..5 {
        let mut blk = blk(0);
        blk.write_blocks(2, &pattern(1, salt)).unwrap();
        let mut back = vec![0; SECTOR_SIZE];
        blk.read_blocks(2, &mut back).unwrap();
        assert_eq!(back, pattern(1, salt));
    }
}

#[test]
#[expect(
    unsafe_code,
    reason = "the driver leaves the life of its buffers to its caller"
)]
fn requests_that_the_driver_does_not_wait_for_come_back_with_an_interrupt() {
    World::start([disk(0, 8, false)]);
    world(|w| {
        w.disks[0] = pattern(8, 0);
        w.hold = true;
    });
    let mut blk = blk(0);
    let (mut request, mut response) = Default::default();
    let mut buffer = vec![0; SECTOR_SIZE];
    // SAFETY: request, buffer and response live until `complete_read_blocks`, untouched.
    let token = unsafe { blk.read_blocks_nb(4, &mut request, &mut buffer, &mut response) }.unwrap();
    assert_eq!(blk.peek_used(), None);
    assert!(!world(|w| w.lines.is_high(1)));
    world(|w| w.hold = false);
    World::settle();
    assert!(world(|w| w.lines.is_high(1)));
    assert!(!blk.ack_interrupt().is_empty());
    assert!(!world(|w| w.lines.is_high(1)));
    assert_eq!(blk.peek_used(), Some(token));
    // SAFETY: the same buffers as above.
    unsafe { blk.complete_read_blocks(token, &request, &mut buffer, &mut response) }.unwrap();
    assert_eq!(buffer, pattern(8, 0)[4 * SECTOR_SIZE..5 * SECTOR_SIZE]);
}

#[test]
fn a_console_prints_reads_and_knows_its_size() {
    World::start([console(0)]);
    let mut console = VirtIOConsole::<Dma, Registers>::new(Registers(0)).unwrap();
    assert_eq!(
        console.size(),
        Ok(Some(Size {
            columns: 132,
            rows: 43
        }))
    );
    console.send(b'>').unwrap();
    console.send_bytes(b" hello\n").unwrap();
    assert_eq!(World::printed(0), b"> hello\n");

    assert_eq!(console.recv(true), Ok(None));
    World::type_in(0, b"ls");
    assert!(world(|w| w.lines.is_high(1)));
    assert_eq!(console.ack_interrupt(), Ok(true));
    assert_eq!(console.recv(true), Ok(Some(b'l')));
    assert_eq!(console.recv(true), Ok(Some(b's')));
    assert_eq!(console.recv(true), Ok(None));

    world(|w| w.with(0, |slot, cx| slot.resize(80, 24, cx)));
    assert_eq!(
        console.size(),
        Ok(Some(Size {
            columns: 80,
            rows: 24
        }))
    );
    console.emergency_write(b'!').unwrap();
    assert_eq!(World::printed(0), b"> hello\n!");
}

#[test]
fn a_console_takes_much_input_in_order() {
    World::start([console(0)]);
    let mut console = VirtIOConsole::<Dma, Registers>::new(Registers(0)).unwrap();
    let text: Vec<u8> = (0..30_000u32).map(|at| (at % 251) as u8).collect();
    assert_eq!(World::type_in(0, &text), text.len());
    for expected in &text {
        assert_eq!(console.recv(true), Ok(Some(*expected)));
    }
    assert_eq!(console.recv(true), Ok(None));
}

#[test]
fn random_bytes_are_different_ones_each_time() {
    World::start([DeviceKind::Entropy(Rng::new(5, 0))]);
    let mut rng = VirtIORng::<Dma, Registers>::new(Registers(0)).unwrap();
    let (mut first, mut second) = ([0; 32], [0; 32]);
    assert_eq!(rng.request_entropy(&mut first), Ok(32));
    assert_eq!(rng.request_entropy(&mut second), Ok(32));
    assert_ne!(first, [0; 32]);
    assert_ne!(first, second);
}

#[test]
fn several_devices_of_each_kind_work_side_by_side() {
    World::start([
        disk(0, 16, false),
        console(0),
        disk(1, 32, false),
        DeviceKind::Entropy(Rng::new(1, 0)),
        console(1),
        disk(2, 64, true),
        DeviceKind::Entropy(Rng::new(1, 1)),
    ]);
    world(|w| {
        for (n, disk) in w.disks.iter_mut().enumerate() {
            *disk = pattern(disk.len() / SECTOR_SIZE, n);
        }
    });
    let mut disks = [0, 2, 5].map(blk);
    let mut consoles =
        [1, 4].map(|slot| VirtIOConsole::<Dma, Registers>::new(Registers(slot)).unwrap());
    let mut rngs = [3, 6].map(|slot| VirtIORng::<Dma, Registers>::new(Registers(slot)).unwrap());

    for (n, disk) in disks.iter_mut().enumerate() {
        assert_eq!(disk.capacity(), 16 << n);
        let mut sector = vec![0; SECTOR_SIZE];
        disk.read_blocks(9, &mut sector).unwrap();
        assert_eq!(sector, pattern(16, n)[9 * SECTOR_SIZE..10 * SECTOR_SIZE]);
    }
    for (n, console) in consoles.iter_mut().enumerate() {
        console.send(b'0' + n as u8).unwrap();
        assert_eq!(World::printed(n), [b'0' + n as u8]);
    }
    World::type_in(1, b"to the second");
    assert_eq!(consoles[0].recv(true), Ok(None));
    assert_eq!(consoles[1].recv(true), Ok(Some(b't')));
    let bytes = rngs.each_mut().map(|rng| {
        let mut bytes = [0; 16];
        rng.request_entropy(&mut bytes).unwrap();
        bytes
    });
    assert_ne!(bytes[0], bytes[1]);
    assert!(world(|w| w
        .consoles
        .iter()
        .all(|id| matches!(id, ConsoleId::Virtio(0 | 1)))));
}
