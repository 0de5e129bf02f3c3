//! Guest (a) at its virtio consoles.

use virtarium_machine::host::ConsoleId;
use virtarium_machine::machine::{DeviceConfig, MachineConfig};
use virtarium_machine::virtio::ConsoleConfig;
use virtarium_tests::guest::{Guest, MemDisk, slots};

use crate::{PROMPT, config};

fn console(console: usize, cols: u16, rows: u16) -> DeviceConfig {
    DeviceConfig::Console(ConsoleConfig {
        console,
        cols,
        rows,
    })
}

/// The rows and columns that the kernel gives a terminal of the shell.
fn size(guest: &mut Guest<MemDisk>, descriptor: u32) -> String {
    guest.lines(&format!("stty size <&{descriptor}")).concat()
}

/// The driver sets the size from a work queue, some time after an open or an interrupt.
fn expect_size(guest: &mut Guest<MemDisk>, descriptor: u32, expected: &str) {
    for _ in 0..50 {
        if size(guest, descriptor) == expected {
            return;
        }
        guest.lines("sleep 0.1");
    }
    panic!("{} is not {expected}", size(guest, descriptor));
}

#[test]
fn terminals_have_the_size_of_their_windows_and_hear_of_another() {
    let config = MachineConfig {
        harts: 2,
        slots: slots([console(0, 100, 40), console(1, 80, 25)]),
        ..config("busybox")
    };
    let mut guest = Guest::<MemDisk>::start(config, Vec::new());
    guest.expect(PROMPT);
    // Opened, asked and closed, which waits for nobody.
    for n in [0, 1, 0] {
        guest.lines(&format!("stty -F /dev/hvc{n} size"));
    }
    guest.lines("exec 3<>/dev/hvc0 4<>/dev/hvc1");
    expect_size(&mut guest, 3, "40 100");
    expect_size(&mut guest, 4, "25 80");

    guest.resize(ConsoleId::Virtio(0), 132, 50);
    expect_size(&mut guest, 3, "50 132");
    assert_eq!(size(&mut guest, 4), "25 80");
    guest.resize(ConsoleId::Virtio(1), 40, 10);
    expect_size(&mut guest, 4, "10 40");
    assert_eq!(size(&mut guest, 3), "50 132");

    // The size is that of the window also for who opens the terminal later.
    guest.lines("exec 4>&-");
    guest.resize(ConsoleId::Virtio(1), 200, 60);
    guest.lines("exec 4<>/dev/hvc1");
    expect_size(&mut guest, 4, "60 200");
}
