//! Whole guests: Debian's kernel, firmware and boot loader, at work on the machine's devices.

mod agent;
mod console;
mod crashes;
mod debian;
mod home;
mod linux;
mod reboot;
mod small;
mod u_boot;

use virtarium::image::{self, Options, Progress};
use virtarium_machine::boot::{Boot, Firmware};
use virtarium_machine::machine::MachineConfig;

/// What a shell of guest (a) says when it waits.
const PROMPT: &str = "virtarium:~# ";

/// The machine that boots a guest of `virtarium image`, without devices.
fn config(guest: &str) -> MachineConfig {
    let options = Options {
        progress: Progress::silent(),
        ..Options::default()
    };
    config_with(&options, guest)
}

/// The same with the cache and the mirror of these options.
fn config_with(options: &Options, guest: &str) -> MachineConfig {
    let files = image::guest(options, guest).expect("the guest's files");
    let read = |path| std::fs::read(path).expect("a file of the cache");
    MachineConfig {
        boot: Boot {
            kernel: Some(read(files.kernel)),
            initrd: files.initrd.map(read),
            append: files.append,
            firmware: files
                .bios
                .map_or(Firmware::BuiltIn, |path| Firmware::Image(read(path))),
            ..Boot::default()
        },
        ..MachineConfig::default()
    }
}
