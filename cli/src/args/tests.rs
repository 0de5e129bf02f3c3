use std::ffi::OsString;

use super::run::{ClockArg, DeviceArg, StepArg};
use super::*;

fn run(words: &[&str]) -> RunArgs {
    let words = std::iter::once("run").chain(words.iter().copied());
    match parse(words.map(OsString::from).collect()) {
        Ok(Cli {
            command: Command::Run(args),
        }) => *args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn devices_keep_their_order_across_options() {
    let args = run(&[
        "--rng",
        "--block",
        "a",
        "--console",
        "--block",
        "b,ro",
        "--rng",
        "slot=1",
    ]);
    let kinds: Vec<_> = args
        .devices
        .iter()
        .map(|device| match device {
            DeviceArg::Block(block) => block.path.display().to_string(),
            DeviceArg::Console(_) => "console".to_owned(),
            DeviceArg::Rng(rng) => format!("rng {:?}", rng.slot),
        })
        .collect();
    assert_eq!(kinds, ["rng None", "a", "console", "b", "rng Some(1)"]);
}

#[test]
fn script_keeps_its_order_and_takes_hyphens() {
    let args = run(&[
        "--expect", "a", "--send", "-b", "--send", "c", "--expect", "-d",
    ]);
    let steps = [
        StepArg::Expect("a".into()),
        StepArg::Send("-b".into()),
        StepArg::Send("c".into()),
        StepArg::Expect("-d".into()),
    ];
    assert_eq!(args.script, steps);
}

#[test]
fn defaults_are_what_help_says() {
    let args = run(&[]);
    assert_eq!(args.memory, 128 << 20);
    assert_eq!(args.cpus, 1);
    assert_eq!(args.clock, None);
    assert_eq!(run(&["--clock", "host"]).clock, Some(ClockArg::Host));
}

#[test]
fn options_of_run_tell_what_they_take() {
    assert_eq!(run_option("--kernel"), Some(Takes::One));
    assert_eq!(run_option("--kernel=K"), Some(Takes::Nothing));
    assert_eq!(run_option("--block"), Some(Takes::One));
    assert_eq!(run_option("--console"), Some(Takes::Optional));
    assert_eq!(run_option("--snapshot"), Some(Takes::Nothing));
    assert_eq!(run_option("-m"), Some(Takes::One));
    assert_eq!(run_option("-S"), Some(Takes::Nothing));
    assert_eq!(run_option("--machine"), None);
    assert_eq!(run_option("-nographic"), None);
}
