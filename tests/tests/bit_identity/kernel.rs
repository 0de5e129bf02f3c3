//! Debian's kernel with a busybox initramfs, on a disk in memory, a console and an entropy
//! device.

use std::fs;

use virtarium::image::{Options, Progress, guest};
use virtarium_machine::boot::Boot;
use virtarium_machine::machine::{DeviceConfig, MachineConfig, SlotConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};
use virtarium_tests::random::{seed, soak};
use virtarium_tests_wasm::{Case, End};

use crate::compare::compare;
use crate::schedule;

/// Sectors of the disk.
const SECTORS: u64 = 32 * 1024;
/// The boot takes about 490 million instructions, the script a part of the rest.
const SOAK_LIMIT: u64 = 1_500_000_000;

/// What the guest does in the end, in the long run.
const SCRIPT: &str = "dd if=/dev/vda of=/dev/null bs=64k; \
    dd if=/dev/zero of=/dev/vda bs=7k count=300 seek=3 conv=fsync; \
    mke2fs -F /dev/vda >/dev/null && mount -t ext4 /dev/vda /mnt && cp /bin/busybox /mnt && \
    umount /mnt && mount -t ext4 /dev/vda /mnt && cmp /bin/busybox /mnt/busybox && echo copied; \
    dd if=/dev/hwrng bs=64 count=4 | md5sum";

fn case() -> Case {
    let options = Options {
        progress: Progress::silent(),
        ..Options::default()
    };
    let files = guest(&options, "busybox").expect("guest (a)");
    let read = |path| fs::read(path).expect("a file of the cache");
    let slots = [
        (
            7,
            DeviceConfig::Block(BlockConfig {
                sectors: SECTORS,
                ..BlockConfig::default()
            }),
        ),
        (6, DeviceConfig::Console(ConsoleConfig::default())),
        (5, DeviceConfig::Entropy),
    ];
    let boot = Boot {
        kernel: Some(read(files.kernel)),
        initrd: files.initrd.map(read),
        append: format!("{} virtarium.run=\"{SCRIPT}\"", files.append),
        ..Boot::default()
    };
    let config = MachineConfig {
        slots: slots
            .map(|(slot, device)| SlotConfig { slot, device })
            .into(),
        boot,
        ..MachineConfig::default()
    };
    Case {
        config,
        disk: SECTORS * 512,
        manifest: None,
    }
}

#[test]
fn debians_kernel_comes_to_the_same_state_in_wasm() {
    let limit = if soak() { SOAK_LIMIT } else { 120_000_000 };
    let case = case();
    let (last, session) = compare("kernel", [&case; 2], 10_000_000, limit).unwrap();
    let printed = String::from_utf8_lossy(&session.host.printed);
    if soak() {
        assert_eq!(last.end, End::Off(0), "{printed}");
        assert!(printed.contains("copied"), "{printed}");
    } else {
        assert_eq!(last.end, End::Count, "{printed}");
    }
    println!("{}", printed.lines().last().unwrap_or_default());
}

#[test]
fn debians_kernel_does_not_notice_how_it_is_run() {
    let seed = seed("the kernel's schedule");
    let limit = if soak() { SOAK_LIMIT } else { 40_000_000 };
    let met = schedule::check("kernel", &case(), seed, 10_000_000, limit, 20);
    if soak() {
        assert!(met.late > 100, "{met:?}");
    }
}
