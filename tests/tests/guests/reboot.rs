//! Guest (a) begins again: a machine that is reset under a kernel at work is as a new one.

use virtarium_machine::host::ConsoleId;
use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};
use virtarium_tests::guest::{Guest, MemDisk, slots};

use crate::{PROMPT, config};

const SECTORS: u64 = 2048;

fn start(harts: usize) -> Guest<MemDisk> {
    let disk = BlockConfig {
        sectors: SECTORS,
        ..BlockConfig::default()
    };
    let devices = [
        DeviceConfig::Block(disk),
        DeviceConfig::Console(ConsoleConfig::default()),
        DeviceConfig::Entropy,
    ];
    let config = MachineConfig {
        harts,
        slots: slots(devices),
        ..config("busybox")
    };
    Guest::start(config, vec![MemDisk(vec![0; SECTORS as usize * 512])])
}

/// Boots to the prompt, and says what the machine is then: instructions, digest, and what the
/// kernel and the shell have said.
fn boot(guest: &mut Guest<MemDisk>) -> (u64, String, String) {
    let said = guest.expect(PROMPT);
    let digest = guest.machine().digest().to_string();
    (guest.machine().instructions(), digest, said)
}

/// Each command resets the machine, by whatever way.
fn reboots(harts: usize, commands: &[&str]) {
    let mut guest = start(harts);
    let first = boot(&mut guest);
    assert!(first.2.contains("Linux version"), "{}", first.2);
    for command in commands {
        // All devices are in use, and harts other than the first one as well.
        guest.lines("dd if=/dev/hwrng of=/dev/vda bs=4k count=8 conv=fsync 2>&1");
        guest.lines("exec 3<>/dev/hvc0; (while :; do :; done) & true");
        guest.send_to(ConsoleId::Virtio(0), "typed and never read\n");
        guest.send(&format!("{command}\n"));
        assert_eq!(guest.end(), Exit::Reset, "{command}");
        guest.reset();
        let again = boot(&mut guest);
        assert!(first == again, "{command}: {again:?} is not {first:?}");
        assert_eq!(guest.lines("nproc"), [harts.to_string()], "{command}");
    }
    guest.send("poweroff\n");
    assert_eq!(guest.end(), Exit::PowerOff { code: 0 });
}

#[test]
fn reset_machine_with_one_hart_boots_as_a_new_one() {
    reboots(1, &["reboot"]);
}

#[test]
fn reset_machine_with_two_harts_boots_as_a_new_one() {
    reboots(2, &["reboot", "taskset 2 reboot -f"]);
}
