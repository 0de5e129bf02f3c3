//! Guest (d): Debian's OpenSBI in M-mode and U-Boot above it.

use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::BlockConfig;
use virtarium_tests::guest::{Guest, MemDisk, slots};

use crate::config;

#[test]
fn u_boot_finds_the_disk_and_reads_it() {
    let mut content = vec![0; 1 << 20];
    content[3 * 512..3 * 512 + 16].copy_from_slice(b"sector number 3.");
    let disk = DeviceConfig::Block(BlockConfig {
        sectors: content.len() as u64 / 512,
        ..BlockConfig::default()
    });
    let config = MachineConfig {
        slots: slots([disk]),
        ..config("u-boot")
    };
    let mut guest = Guest::start(config, vec![MemDisk(content)]);
    guest.expect("OpenSBI");
    guest.expect("U-Boot");
    guest.expect("Hit any key to stop autoboot");
    guest.send(" ");
    guest.expect("=> ");
    guest.send("virtio scan\n");
    guest.expect("=> ");
    guest.send("virtio info\n");
    let info = guest.expect("=> ");
    assert!(
        info.contains("Device 0") && info.contains("Capacity: 1.0 MB"),
        "{info}"
    );
    guest.send("virtio read 0x84000000 3 1\n");
    let read = guest.expect("=> ");
    assert!(read.contains("1 blocks read: OK"), "{read}");
    guest.send("md.b 0x84000000 10\n");
    let bytes = guest.expect("=> ");
    assert!(bytes.contains("sector number 3."), "{bytes}");
    // U-Boot asks OpenSBI for a reset, and that the test finisher.
    guest.send("reset\n");
    assert_eq!(guest.end(), Exit::Reset);
    guest.reset();
    guest.expect("OpenSBI");
    guest.expect("Hit any key to stop autoboot");
}
