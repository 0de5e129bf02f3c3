//! Guest (a): Debian's kernel and a busybox shell.

use virtarium_machine::host::ConsoleId;
use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};
use virtarium_tests::guest::{Guest, MemDisk, slots};

use crate::{PROMPT, config};

const DISK: usize = 4 << 20;

fn disk(disk: usize, id: &str, read_only: bool) -> DeviceConfig {
    DeviceConfig::Block(BlockConfig {
        disk,
        sectors: DISK as u64 / 512,
        read_only,
        id: id.into(),
        ..BlockConfig::default()
    })
}

fn console(console: usize, cols: u16, rows: u16) -> DeviceConfig {
    DeviceConfig::Console(ConsoleConfig {
        console,
        cols,
        rows,
    })
}

/// Bytes that tell where on which disk they are.
fn content(disk: u32) -> Vec<u8> {
    (0..DISK as u32 / 4)
        .flat_map(|word| (word.wrapping_mul(2_654_435_761) ^ disk).to_le_bytes())
        .collect()
}

fn boot(config: MachineConfig, disks: Vec<MemDisk>) -> Guest<MemDisk> {
    let mut guest = Guest::start(config, disks);
    guest.expect(PROMPT);
    guest
}

/// Three disks, two consoles and two sources of entropy, in this order on the command line.
fn session() -> (Vec<u8>, u64, String) {
    let devices = [
        disk(0, "first", false),
        console(0, 100, 40),
        DeviceConfig::Entropy,
        disk(1, "second", false),
        console(1, 80, 25),
        disk(2, "third", true),
        DeviceConfig::Entropy,
    ];
    let config = MachineConfig {
        slots: slots(devices),
        ..config("busybox")
    };
    let disks = (0..3).map(|nth| MemDisk(content(nth))).collect();
    let mut guest = boot(config, disks);

    assert_eq!(guest.lines("echo $((6 * 7))"), ["42"]);
    device_order_is_that_of_the_command_line(&mut guest);
    file_systems_are_mounted(&mut guest);
    disks_hold_what_either_side_wrote(&mut guest);
    entropy_flows(&mut guest);

    guest.send("poweroff\n");
    assert_eq!(guest.end(), Exit::PowerOff { code: 0 });
    let count = guest.machine().instructions();
    let digest = guest.machine().digest().to_string();
    (guest.printed(ConsoleId::Uart).to_vec(), count, digest)
}

fn device_order_is_that_of_the_command_line(guest: &mut Guest<MemDisk>) {
    let found = guest.lines("ls /sys/bus/virtio/devices");
    let names: Vec<String> = (0..7).map(|nth| format!("virtio{nth}")).collect();
    let found: Vec<&str> = found
        .iter()
        .flat_map(|line| line.split_whitespace())
        .collect();
    assert_eq!(found, names);
    let kinds = guest.lines(
        "for d in /sys/bus/virtio/devices/*; do \
         l=$(readlink $d/driver); echo $(cat $d/device) ${l##*/}; done",
    );
    let (blk, con, rng) = (
        "0x0002 virtio_blk",
        "0x0003 virtio_console",
        "0x0004 virtio_rng",
    );
    assert_eq!(kinds, [blk, con, rng, blk, con, blk, rng]);
    let ids = guest.lines("cat /sys/block/vd?/serial; cat /sys/block/vd?/ro");
    assert_eq!(ids.concat(), "firstsecondthird001");
    let places = guest.lines("for d in vda vdb vdc; do readlink -f /sys/block/$d; done");
    for (place, at) in places.iter().zip(["10008000", "10005000", "10003000"]) {
        assert!(place.contains(at), "{place} is not at {at}");
    }
}

fn file_systems_are_mounted(guest: &mut Guest<MemDisk>) {
    let mounts = guest.lines("mount").join("\n");
    for mount in ["proc on /proc ", "sysfs on /sys ", "devtmpfs on /dev "] {
        assert!(mounts.contains(mount), "{mounts}");
    }
}

fn disks_hold_what_either_side_wrote(guest: &mut Guest<MemDisk>) {
    // Sectors of one disk to other places of another, and back to the host.
    guest.lines("dd if=/dev/vda of=/dev/vdb bs=512 skip=100 seek=300 count=77 conv=fsync 2>&1");
    guest.lines("echo from the guest | dd of=/dev/vdb bs=512 seek=7 conv=fsync,sync 2>&1");
    let disks = guest.disks();
    let copied = disks[0].0[100 * 512..177 * 512].to_vec();
    assert_eq!(disks[1].0[300 * 512..377 * 512], copied);
    assert!(disks[1].0[7 * 512..].starts_with(b"from the guest\n\0"));
    let mut expected = content(1);
    expected[300 * 512..377 * 512].copy_from_slice(&copied);
    expected[7 * 512..8 * 512].fill(0);
    expected[7 * 512..7 * 512 + 15].copy_from_slice(b"from the guest\n");
    assert!(disks[1].0 == expected, "another part of vdb was written");
    // The whole of a disk, past what the page cache holds of it.
    guest.lines("echo 3 > /proc/sys/vm/drop_caches");
    guest.lines("dd if=/dev/vda of=/tmp/a bs=64k 2>&1 && cmp /tmp/a /dev/vda && rm /tmp/a");
    let (status, _) = guest.shell("echo x | dd of=/dev/vdc 2>/dev/null");
    assert_ne!(status, 0, "vdc is read-only");
    assert!(guest.disks()[2].0 == content(2), "vdc was written");
    guest.lines(
        "mke2fs /dev/vda >/dev/null 2>&1 && mount -t ext4 /dev/vda /mnt && cp /bin/busybox /mnt && \
         umount /mnt && mount -t ext4 -o ro /dev/vda /mnt && cmp /bin/busybox /mnt/busybox && \
         umount /mnt",
    );
}

fn entropy_flows(guest: &mut Guest<MemDisk>) {
    let sources = guest
        .lines("cat /sys/class/misc/hw_random/rng_available")
        .concat();
    assert!(
        sources.contains("virtio_rng.0") && sources.contains("virtio_rng.1"),
        "{sources}"
    );
    let read = "dd if=/dev/hwrng bs=64 count=1 2>/dev/null | hexdump -v -e '64/1 \"%02x\" \"\\n\"'";
    let mut all = Vec::new();
    for source in ["virtio_rng.0", "virtio_rng.1", "virtio_rng.0"] {
        guest.lines(&format!(
            "echo {source} > /sys/class/misc/hw_random/rng_current"
        ));
        let bytes = guest.lines(read).concat();
        assert!(bytes.len() == 128 && !all.contains(&bytes), "{bytes}");
        all.push(bytes);
    }
}

#[test]
fn debians_kernel_serves_every_device_and_two_runs_are_the_same() {
    let other = std::thread::spawn(session);
    let (printed, count, digest) = session();
    println!("{count} instructions, digest {digest}");
    let (other_printed, other_count, other_digest) = other.join().expect("the second run");
    assert!(printed == other_printed, "two runs print different bytes");
    assert_eq!((count, digest), (other_count, other_digest));
}

#[test]
fn four_harts_work_at_the_same_time() {
    let config = MachineConfig {
        harts: 4,
        ..config("busybox")
    };
    let mut guest = boot(config, Vec::new());
    assert_eq!(
        guest.lines("nproc; grep -c ^processor /proc/cpuinfo"),
        ["4", "4"]
    );
    // One busy process on each, which says where it was at its end (field 39).
    let places = guest.lines(
        "for c in 0 1 2 3; do taskset $((1 << c)) sh -c \
         'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; cut -d\" \" -f39 /proc/self/stat' & \
         done; wait",
    );
    let mut places: Vec<&str> = places
        .iter()
        .map(String::as_str)
        .filter(|line| line.len() == 1)
        .collect();
    places.sort_unstable();
    assert_eq!(places, ["0", "1", "2", "3"]);
    guest.send("poweroff\n");
    assert_eq!(guest.end(), Exit::PowerOff { code: 0 });
}
