//! `/root` on a disk (`guest/images/busybox/home`): written once, kept, and never at the cost of
//! what somebody else wrote.

use virtarium_machine::host::{BlockRequest, BlockResult, ConsoleId};
use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::BlockConfig;
use virtarium_tests::ext4::{Tools, scratch};
use virtarium_tests::guest::{Disk, Guest, MemDisk, slots};

use crate::{PROMPT, config, small};

/// Bytes of the disk that a page has.
const SIZE: usize = 64 << 20;
/// What the guest says when it writes a file system.
const BLANK: &str = "home: /dev/vda is blank and becomes the disk of /root";

/// What is in front of ext4's superblock while it does, and where.
const MARK: &[u8] = b"virtarium.formatting";
const MARK_AT: usize = 1024 - MARK.len();

/// A disk that remembers what was written to it, in this order.
struct Recorded {
    disk: MemDisk,
    writes: Vec<(u64, Vec<u8>)>,
}

impl Disk for Recorded {
    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        if let BlockRequest::Write { sector, data } = request {
            self.writes.push((*sector, data.clone()));
        }
        self.disk.execute(request)
    }
}

fn blank() -> MemDisk {
    MemDisk(vec![0; SIZE])
}

/// Boots to the prompt: the small kernel where there is one, since it is quicker.
fn boot(disk: MemDisk) -> Guest<Recorded> {
    let sectors = disk.0.len() as u64 / 512;
    let config = small::at_hand().unwrap_or_else(|| config("busybox"));
    start(config, sectors, disk)
}

fn start(mut config: MachineConfig, sectors: u64, disk: MemDisk) -> Guest<Recorded> {
    let device = DeviceConfig::Block(BlockConfig {
        sectors,
        ..BlockConfig::default()
    });
    config.slots = slots([device]);
    config.boot.append.push_str(" virtarium.home=/dev/vda");
    let writes = Vec::new();
    let mut guest = Guest::start(config, vec![Recorded { disk, writes }]);
    guest.expect(PROMPT);
    guest
}

fn said(guest: &Guest<Recorded>) -> String {
    String::from_utf8_lossy(guest.printed(ConsoleId::Uart)).into_owned()
}

/// Pulls the plug.
fn disk_of(guest: Guest<Recorded>) -> Recorded {
    guest.into_disks().remove(0)
}

#[test]
fn what_was_synced_to_root_is_there_after_a_kill_with_either_kernel() {
    // What the other kernel wrote is read as well.
    let mut guest = start(config("busybox"), SIZE as u64 / 512, blank());
    assert!(said(&guest).contains(BLANK), "{}", said(&guest));
    guest.lines("echo kept > file; sync");
    let disk = disk_of(guest).disk;
    let mut guest = boot(disk);
    assert!(!said(&guest).contains("home:"), "{}", said(&guest));
    assert_eq!(guest.lines("pwd; cat file"), ["/root", "kept"]);
    guest.lines("echo more > other");
    guest.send("poweroff\n");
    assert_eq!(guest.end(), Exit::PowerOff { code: 0 });
    let disk = disk_of(guest).disk;
    if let Some(tools) = Tools::find("the file system of /root after a kill") {
        let dir = tempfile::tempdir_in(scratch()).expect("a directory for images");
        let file = dir.path().join("home");
        std::fs::write(&file, &disk.0).expect("room for an image");
        tools.replay(&file).expect("a journal");
        tools.check(&file).expect("a sound file system");
    }
    let mut guest = boot(disk);
    assert_eq!(guest.lines("cat file other"), ["kept", "more"]);
}

#[test]
fn formatting_that_was_killed_begins_anew() {
    let guest = boot(blank());
    let writes = disk_of(guest).writes;
    let marks = |(sector, data): &(u64, Vec<u8>)| {
        let at = MARK_AT.checked_sub(*sector as usize * 512);
        at.and_then(|at| data.get(at..at + MARK.len())) == Some(MARK)
    };
    assert!(marks(&writes[0]), "the mark comes first");
    let end = writes.iter().position(|write| write.0 < 2 && !marks(write));
    let end = end.expect("the mark is taken away");
    assert!(end >= 2, "{end}");
    // After this many writes, and this many bytes of the next one.
    for (count, part) in [
        (1, 0),
        (1, 512),
        (1, 2048),
        (1, 8192),
        (end, 0),
        (end + 1, 0),
    ] {
        let mut disk = blank();
        let mut put = |sector: u64, data: &[u8]| {
            let at = sector as usize * 512;
            disk.0[at..at + data.len()].copy_from_slice(data);
        };
        for (sector, data) in &writes[..count] {
            put(*sector, data);
        }
        let (sector, data) = &writes[count];
        put(*sector, &data[..part.min(data.len())]);
        let mut guest = boot(disk);
        let printed = said(&guest);
        assert!(
            !printed.contains("home:"),
            "after {count}, {part}: {printed}"
        );
        let mounted = guest.lines("grep -c '^/dev/vda /root ext4' /proc/mounts; ls");
        assert_eq!(mounted, ["1", "lost+found"], "after {count}, {part}");
        assert_eq!(marks(&disk_of(guest).writes[0]), count <= end, "{count}");
    }
}

#[test]
fn a_disk_that_is_not_blank_is_not_written() {
    let mark = b"virtarium.other".as_slice();
    let end = SIZE - 1;
    for (what, size, at, bytes) in [
        ("something that is no ext4", SIZE, 0, mark),
        ("something that is no ext4", SIZE, 70_000, b"\n"),
        ("something that is no ext4", SIZE, end, b"x"),
        ("less than 64 MB", SIZE / 2, 0, b""),
    ] {
        let mut disk = MemDisk(vec![0; size]);
        disk.0[at..at + bytes.len()].copy_from_slice(bytes);
        let before = disk.clone();
        let mut guest = boot(disk);
        assert!(said(&guest).contains(what), "{}", said(&guest));
        // It goes on in memory.
        assert_eq!(guest.lines("echo here > file; cat file"), ["here"]);
        let after = disk_of(guest);
        assert!(after.writes.is_empty() && after.disk == before, "{what}");
    }
}
