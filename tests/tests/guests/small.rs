//! Guest (c): the small kernel, where it was compiled. A full count compiles it.

use std::fs;

use virtarium::image::{self, Options, Progress, compile};
use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};
use virtarium_tests::guest::{Guest, MemDisk, slots};
use virtarium_tests::notes::skipped;
use virtarium_tests::random::soak;

use crate::{PROMPT, config_with};

/// Instructions to the prompt, in millions: a fifth of what Debian's kernel takes.
const MILLIONS: u64 = 90;

fn options() -> Options {
    Options {
        progress: Progress::silent(),
        compile: soak(),
        ..Options::default()
    }
}

/// The guest's machine, if there is the kernel or what compiles it.
pub fn config(test: &str) -> Option<MachineConfig> {
    let options = options();
    if image::needs_compiling(&options, "small").expect("the cache") {
        if !soak() {
            skipped(
                test,
                "the small kernel is not compiled (`virtarium image build small`)",
            );
            return None;
        }
        if let Err(error) = compile::tools::check() {
            skipped(test, &format!("{error:#}"));
            return None;
        }
    }
    Some(config_with(&options, "small"))
}

/// The guest's machine, where its kernel was compiled already.
pub fn at_hand() -> Option<MachineConfig> {
    let options = options();
    let missing = image::needs_compiling(&options, "small").expect("the cache");
    (!missing).then(|| config_with(&options, "small"))
}

#[test]
fn the_small_kernel_serves_every_device_without_modules() {
    let Some(config) = config("the small kernel's shell") else {
        return;
    };
    let disk = DeviceConfig::Block(BlockConfig {
        sectors: 8192,
        ..BlockConfig::default()
    });
    let console = DeviceConfig::Console(ConsoleConfig::default());
    let config = MachineConfig {
        slots: slots([disk, console, DeviceConfig::Entropy]),
        ..config
    };
    let mut guest = Guest::start(config, vec![MemDisk(vec![0; 8192 * 512])]);
    guest.expect(PROMPT);
    let millions = guest.machine().instructions() / 1_000_000;
    println!("{millions} million instructions to the prompt");
    assert!(millions < MILLIONS, "{millions} million instructions");

    let release = guest.lines("uname -r").concat();
    assert!(release.ends_with("-virtarium"), "{release}");
    let (status, _) = guest.shell("test -e /proc/modules");
    assert_eq!(status, 1, "this kernel has no modules");
    let drivers = guest.lines(
        "for d in /sys/bus/virtio/devices/*; do l=$(readlink $d/driver); echo ${l##*/}; done",
    );
    assert_eq!(drivers, ["virtio_blk", "virtio_console", "virtio_rng"]);
    guest.lines(
        "mke2fs /dev/vda >/dev/null 2>&1 && mount -t ext4 /dev/vda /mnt && cp /bin/busybox /mnt && \
         umount /mnt && mount -t ext4 -o ro /dev/vda /mnt && cmp /bin/busybox /mnt/busybox && \
         umount /mnt",
    );
    let random = "dd if=/dev/hwrng bs=64 count=1 2>/dev/null | hexdump -v -e '1/1 \"%02x\"'";
    let random = guest.lines(random).concat();
    assert!(random.len() == 128 && random != "0".repeat(128), "{random}");
    guest.send("poweroff\n");
    assert_eq!(guest.end(), Exit::PowerOff { code: 0 });
}

#[test]
fn a_commands_status_comes_out_of_the_small_kernel() {
    let Some(mut config) = config("a status through the small kernel") else {
        return;
    };
    config.boot.append.push_str(" virtarium.run=\"exit 7\"");
    let mut guest = Guest::start(config, Vec::<MemDisk>::new());
    assert_eq!(guest.end(), Exit::PowerOff { code: 7 });
}

#[test]
fn the_small_kernel_compiled_again_has_the_same_bytes() {
    const TEST: &str = "the small kernel compiled twice";
    if !soak() {
        return skipped(TEST, "it takes two times ten minutes: with --soak only");
    }
    if let Err(error) = compile::tools::check() {
        return skipped(TEST, &format!("{error:#}"));
    }
    let build = |options: &Options| {
        let kernel = image::guest(options, "small").expect("a kernel").kernel;
        let notice = kernel.with_file_name(compile::NOTICE);
        let notice = fs::read_to_string(notice).expect("its source");
        (fs::read(kernel).expect("the Image"), notice)
    };
    let cache = tempfile::tempdir().expect("a folder");
    let (image, notice) = build(&Options {
        cache: Some(cache.path().to_owned()),
        ..options()
    });
    let (other, other_notice) = build(&options());
    if notice != other_notice {
        return skipped(TEST, "the cache's kernel is of another compiler");
    }
    assert!(image == other, "the two Images differ");
}
