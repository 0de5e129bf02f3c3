//! Runs a guest that configures its own disk and powers off: the second stage of a system that
//! was put together from packages.

use std::io::Write;

use anyhow::{Result, bail};

use super::end::End;
use super::engine::{Engine, Limits};
use super::{Clock, build};
use crate::args::{self, Command};
use crate::image::Guest;
use crate::settings::Settings;

/// Instructions after which a guest is not believed to come to its end: ten times what a system
/// of a hundred packages takes.
const PATIENCE: u64 = 100_000_000_000;

/// Runs `guest` to its end, with its disk writable. What it prints goes to `output`. Gives the
/// instructions that it took.
///
/// # Errors
/// If the machine cannot be built, or the guest does not switch itself off with success.
pub fn configure(guest: &Guest, output: Box<dyn Write + Send>) -> Result<u64> {
    let line = ["run", "--clock", "deterministic", "--no-reboot"];
    let Command::Run(args) = args::parse(line.map(Into::into).to_vec())?.command else {
        bail!("`run` is not the command that it was");
    };
    let mut settings = Settings::from_run(&args)?;
    super::adopt(&mut settings, guest.clone(), None)?;
    let (mut machine, mut back) = build::build(&mut settings, output)?;
    let limits = Limits {
        timeout: None,
        max_instructions: Some(PATIENCE),
        digest_every: None,
        no_reboot: true,
        host_date: false,
    };
    let clock = Clock::new(true);
    let mut say = |text: &str| eprintln!("virtarium: {text}");
    let end = Engine::new(&mut machine, &mut back, None, clock, limits, &mut say).run();
    match end {
        End::PowerOff(0) => Ok(machine.instructions()),
        End::PowerOff(status) => bail!("the guest ended with status {status}"),
        end => bail!("the guest did not come to its end: {end}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::DeviceKind;

    fn settings(line: &[&str]) -> Settings {
        let line = ["run"].iter().chain(line).map(Into::into).collect();
        let Command::Run(args) = args::parse(line).unwrap().command else {
            panic!("not `run`");
        };
        Settings::from_run(&args).unwrap()
    }

    fn guest() -> Guest {
        Guest {
            bios: None,
            kernel: "k".into(),
            initrd: Some("i".into()),
            disk: Some("d".into()),
            append: "root=/dev/vda".to_owned(),
            memory: 512 << 20,
        }
    }

    #[test]
    fn a_guests_disk_is_named_as_the_kernel_will_find_it() {
        for (line, slot, root) in [
            (&[][..], 7, "root=/dev/vda"),
            (&["--block", "x"], 6, "root=/dev/vdb"),
            (&["--block", "x,slot=0"], 7, "root=/dev/vda"),
            (&["--rng", "--block", "x"], 5, "root=/dev/vdb"),
        ] {
            let mut settings = settings(line);
            super::super::adopt(&mut settings, guest(), None).unwrap();
            let own = settings.devices.iter().find(|device| {
                matches!(&device.kind, DeviceKind::Block(arg) if arg.path == Path::new("d"))
            });
            assert_eq!(own.map(|device| device.slot), Some(slot), "{line:?}");
            assert_eq!(settings.append.as_deref(), Some(root), "{line:?}");
            assert_eq!(settings.memory, 512 << 20);
        }
    }
}
