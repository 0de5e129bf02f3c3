//! The machine of `www/test/browser/identity.test.mjs`, which compares it in browsers with the one of
//! a line of `virtarium run`: the same line, the same counts, here in wasmtime. Its disk is streamed.

use std::io;

use serde::Deserialize;
use virtarium::args::{self, Command};
use virtarium::host::clock::Clock;
use virtarium::image::{Options, Progress, guest};
use virtarium::run::build::build;
use virtarium::run::engine::{Engine, Limits};
use virtarium::settings::Settings;
use virtarium::site::guests::PROFILES;
use virtarium_machine::machine::MachineConfig;
use virtarium_tests::notes;
use virtarium_tests::random::seed;
use virtarium_tests_wasm::{Case, End};

use crate::module::Module;
use crate::stream::{Network, manifest};

/// `tests/data/identity.json`
#[derive(Deserialize)]
struct Identity {
    guest: String,
    /// Bytes of the disk.
    disk: u64,
    command: String,
    seed: String,
    epoch: u64,
    /// Instructions between two digests, and how many are compared at most.
    step: u64,
    steps: u64,
}

impl Identity {
    fn read() -> Self {
        let text = include_str!("../../data/identity.json");
        serde_json::from_str(text).expect("what the structure has")
    }

    /// An image without a file system: each sector begins with a word of its own.
    fn image(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.disk as usize];
        for (at, sector) in (0..).step_by(512).zip(bytes.chunks_mut(512)) {
            let word = u32::wrapping_mul(at, 2_654_435_761);
            sector[..4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Runs the line as the program does. Gives the machine's configuration, and the digests that
    /// the program prints, as `count digest`.
    fn run(&self, image: &[u8]) -> (MachineConfig, Vec<String>) {
        let options = Options {
            progress: Progress::silent(),
            ..Options::default()
        };
        let files = guest(&options, &self.guest).expect("the guest");
        let profile = PROFILES.iter().find(|profile| profile.name == self.guest);
        let append = profile.expect("a page has it").append(&files);
        // Its disk is not that of /root here, as in the browsers' test.
        let append = append.replace(" virtarium.home=/dev/vda", "");
        let disk = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(disk.path(), image).expect("room for the image");
        let path = |path: std::path::PathBuf| path.into_os_string();
        let mut line = vec!["run".into(), "--kernel".into(), path(files.kernel)];
        if let Some(initrd) = files.initrd {
            line.extend(["--initrd".into(), path(initrd)]);
        }
        let text = [
            (
                "--append",
                format!("{append} virtarium.run=\"{}\"", self.command),
            ),
            ("--memory", format!("{}M", files.memory >> 20)),
            ("--serial", "null".into()),
            ("--clock", "deterministic".into()),
            ("--seed", self.seed.clone()),
            ("--epoch", self.epoch.to_string()),
            ("--block", format!("path={},id=data", disk.path().display())),
            ("--console", "stdio".into()),
            ("--console", "null".into()),
        ];
        for (option, value) in text {
            line.extend([option.into(), value.into()]);
        }
        line.extend(["--snapshot".into(), "--rng".into()]);
        let Command::Run(args) = args::parse(line).expect("a line").command else {
            panic!("the line is one of run");
        };
        let mut settings = Settings::from_run(&args).expect("settings");
        let (mut machine, mut back) =
            build(&mut settings, Box::new(io::sink())).expect("the machine");
        let config = machine.config().clone();
        let limits = Limits {
            timeout: None,
            max_instructions: Some(self.step * self.steps),
            digest_every: Some(self.step),
            no_reboot: true,
            host_date: false,
        };
        let mut said = Vec::new();
        let mut say = |text: &str| said.push(text.to_owned());
        let clock = Clock::new(settings.deterministic);
        Engine::new(&mut machine, &mut back, None, clock, limits, &mut say).run();
        let digests = said.iter().filter_map(|text| text.strip_prefix("digest "));
        (config, digests.map(str::to_owned).collect())
    }
}

#[test]
fn the_commands_machine_is_the_same_in_wasm_with_its_disk_streamed() {
    let identity = Identity::read();
    let image = identity.image();
    let (config, expected) = identity.run(&image);
    let case = Case {
        config,
        disk: identity.disk,
        manifest: Some(manifest(&image)),
    };
    let seed = seed("the command's machine");
    let mut network = Network::new(image, seed, 20);
    let mut module = Module::new(&case);
    for digest in &expected {
        let count = digest
            .split(' ')
            .next()
            .and_then(|count| count.parse().ok());
        let state = network.run_to(&mut module, count.expect("a count"));
        let found = format!("{} {}", state.instructions, state.digest);
        assert_eq!(found, *digest, "VIRTARIUM_SEED={seed:#x}");
    }
    // Which is before the last of those counts.
    let last = network.run_to(&mut module, identity.step * identity.steps);
    assert_eq!(last.end, End::Off(0));
    let met = network.met;
    println!("{} digests, {met:?}", expected.len());
    // The sums read all of the disk, and the second one most of it from the image again.
    assert!(expected.len() > 10 && met.waits > 10, "{met:?}");
    assert!(met.chunks > 80 && met.damaged > 0, "{met:?}");
    notes::counted("digests equal with a streamed disk", expected.len() as u64);
}
