use std::path::{Path, PathBuf};
use std::time::Duration;

use super::case::{settings, verdict};
use super::file::parse;
use super::*;
use crate::args::test::Shard;
use crate::expect::Step;
use crate::settings::DeviceKind;

fn cases(text: &str) -> Vec<Case> {
    parse(text, Path::new("dir")).unwrap()
}

fn refusal(text: &str) -> String {
    let text = format!("{:#}", parse(text, Path::new("dir")).unwrap_err());
    assert!(!text.contains('\n'), "{text}");
    text
}

const FULL: &str = r##"
[defaults]
kernel = "k"
memory = "256M"

[[test]]
name = "one"
disks = ["a.img,ro", "/abs/b.img"]
console = true
rng = true
script = [{ expect = "# ", timeout = 2.5 }, { send = "ls\n" }, { expect = "x" }]
budget = { instructions = 1_000, seconds = 10 }

[[test]]
name = "two"
kernel = "other"
memory = 64
exit = 3
clock = "host"
snapshot = false
script = [{ expect = "# " }]
"##;

#[test]
fn case_takes_defaults_and_resolves_paths() {
    let cases = cases(FULL);
    let one = settings(&cases[0]).unwrap();
    assert_eq!(one.kernel, Some(PathBuf::from("dir/k")));
    assert_eq!(one.memory, 256 << 20);
    assert!(one.deterministic && one.snapshot);
    assert_eq!(one.timeout, Some(Duration::from_secs(10)));
    assert_eq!(one.max_instructions, Some(1000));
    assert_eq!(one.devices.len(), 4);
    let paths: Vec<_> = one
        .devices
        .iter()
        .filter_map(|device| match &device.kind {
            DeviceKind::Block(block) => Some(block.path.clone()),
            _ => None,
        })
        .collect();
    let expected = [PathBuf::from("dir/a.img"), PathBuf::from("/abs/b.img")];
    assert_eq!(paths, expected);
    assert_eq!(one.script.len(), 3);

    let two = settings(&cases[1]).unwrap();
    assert_eq!(two.kernel, Some(PathBuf::from("dir/other")));
    assert_eq!(two.memory, 64 << 20);
    assert!(!two.deterministic && !two.snapshot);
    assert_eq!(cases[1].line, 14);
}

#[test]
fn match_is_not_the_end_of_a_case_that_names_a_code() {
    let cases = cases(FULL);
    let two = settings(&cases[1]).unwrap();
    assert!(matches!(two.script.last(), Some(Step::Send(text)) if text.is_empty()));
    assert_eq!(verdict(&End::PowerOff(3), Some(3)), Verdict::Passed);
    assert!(matches!(
        verdict(&End::PowerOff(0), Some(3)),
        Verdict::Failed(_)
    ));
    assert_eq!(verdict(&End::PowerOff(0), None), Verdict::Passed);
    assert_eq!(verdict(&End::Matched, None), Verdict::Passed);
    let failed = End::Failed("x".into());
    assert!(matches!(verdict(&failed, None), Verdict::Broken(_)));
    assert!(matches!(verdict(&End::Asleep, None), Verdict::Failed(_)));
}

#[test]
fn mistakes_name_the_line() {
    let text = refusal("[[test]]\nname = \"a\"\nkernal = \"k\"\n");
    assert!(text.contains("line 3") && text.contains("kernal"), "{text}");
    let text = refusal("[[test]]\nname = \"a\"\n[[test]]\nname = \"a\"\n");
    assert!(text.contains("line 3") && text.contains("line 1"), "{text}");
    assert!(refusal("[[test]]\nkernel = \"k\"\n").contains("line 1"));
    assert!(refusal("").contains("[[test]]"));
    assert!(refusal("[[test]]\nname = \"a\"\ncpus = \"x\"\n").contains("line 3"));
    assert!(refusal("[[test]\n").contains("line 1"));
    let text = refusal("[[test]]\nname = \"a\"\nmemory = -1\n");
    assert!(text.contains("memory is a number of MiB"), "{text}");
    assert!(refusal("[defaults]\nname = \"a\"\n").contains("defaults"));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for (line, word) in [
        ("cpus = 9", "1 to 8"),
        ("memory = \"x\"", "memory = x"),
        ("disks = [\"a,colour=red\"]", "colour"),
        ("script = [{ expect = \"(\" }]", "step 1"),
        ("script = [{ }]", "either expect or send"),
        ("script = [{ send = \"x\", timeout = 1 }]", "timeout"),
        ("script = [{ expect = \"x\", timeout = -1 }]", "seconds"),
        ("budget = { seconds = 0 }", "budget.seconds"),
    ] {
        let text = format!("[[test]]\nname = \"a\"\nkernel = \"k\"\n{line}\n");
        let error = format!("{:#}", settings(&cases(&text)[0]).unwrap_err());
        assert!(error.contains(word), "{line}: {error}");
    }
    let error = settings(&cases("[[test]]\nname = \"a\"\n")[0]).unwrap_err();
    assert!(error.to_string().contains("needs a kernel"), "{error}");
}

fn args(filter: Option<&str>, shard: Option<Shard>) -> TestArgs {
    TestArgs {
        suite: "s.toml".into(),
        filter: filter.map(str::to_owned),
        shard,
        jobs: None,
        junit: None,
        list: false,
        quiet: false,
    }
}

fn ten() -> Vec<Case> {
    let tests: Vec<_> = (0..10)
        .map(|n| format!("[[test]]\nname = \"case {n}\"\nkernel = \"k\"\n"))
        .collect();
    cases(&tests.concat())
}

#[test]
fn shards_of_the_filtered_cases_are_disjoint_and_complete() {
    let cases = ten();
    let mut names: Vec<_> = (1..=3)
        .flat_map(|index| {
            let shard = Some(Shard { index, count: 3 });
            choose(&cases, &args(Some("[0-6]"), shard)).unwrap()
        })
        .map(|case| case.name.clone())
        .collect();
    names.sort();
    let expected: Vec<_> = (0..7).map(|n| format!("case {n}")).collect();
    assert_eq!(names, expected);
    assert!(choose(&cases, &args(Some("none"), None)).is_err());
    assert!(choose(&cases, &args(Some("("), None)).is_err());
}

#[test]
fn cases_run_at_once_and_are_reported_in_order() {
    let cases = ten();
    let chosen: Vec<_> = cases.iter().collect();
    let start = |case: &Case, _: Settings, mut screen: Box<dyn Write + Send>| {
        screen.write_all(case.name.as_bytes())?;
        match case.name.as_str() {
            "case 3" => Ok((End::PowerOff(7), 5)),
            "case 4" => bail!("no such file"),
            "case 5" => panic!("a panic that the test makes"),
            _ => Ok((End::PowerOff(0), 5)),
        }
    };
    let mut seen = 0;
    let results = run_all(&chosen, 4, &start, |_, _| {
        seen += 1;
        Ok(())
    });
    let results = results.unwrap();
    assert_eq!(seen, 10);
    for (index, (case, outcome)) in results.iter().enumerate() {
        assert_eq!(case.name, format!("case {index}"));
        let as_expected = match index {
            3 => matches!(&outcome.verdict, Verdict::Failed(why) if why.contains("code 7")),
            4 => matches!(&outcome.verdict, Verdict::Broken(why) if why == "no such file"),
            5 => matches!(&outcome.verdict, Verdict::Broken(_)),
            _ => outcome.verdict == Verdict::Passed,
        };
        assert!(as_expected, "{}: {:?}", case.name, outcome.verdict);
    }
    assert_eq!(results[0].1.console, b"case 0");
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        time: Duration::from_secs(1),
        instructions: 2_000_000,
        console: b"first\n\x1b[31mred\nlast <&>\x00\n".to_vec(),
    }
}

#[test]
fn failure_shows_its_place_and_the_end_of_the_console_without_control_characters() {
    let cases = ten();
    let failed = outcome(Verdict::Failed("why".into()));
    let mut out = Vec::new();
    report::print(&mut out, Path::new("s.toml"), &cases[1], &failed, true).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("FAIL   case 1"), "{text}");
    assert!(text.contains("s.toml:4: why"), "{text}");
    assert!(text.contains("| \\x1b[31mred"), "{text}");
    assert!(!text.contains('\x1b'));
    // One line without an end.
    let long = Outcome {
        console: [&[b'a'; 60_000][..], b"end\n"].concat(),
        ..failed.clone()
    };
    let mut out = Vec::new();
    report::print(&mut out, Path::new("s.toml"), &cases[1], &long, true).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("| ...a") && text.contains("aend"), "{text}");
    assert!(text.len() < 1000, "{}", text.len());
    // A command for the runner of a CI, which looks for it anywhere in a line.
    let hostile = Outcome {
        console: b"a ##[add-mask]b\n".to_vec(),
        ..failed.clone()
    };
    let mut out = Vec::new();
    report::print(&mut out, Path::new("s.toml"), &cases[1], &hostile, true).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("add-mask]b") && !text.contains("##["),
        "{text}"
    );
    let mut out = Vec::new();
    let passed = outcome(Verdict::Passed);
    report::print(&mut out, Path::new("s.toml"), &cases[1], &passed, true).unwrap();
    assert_eq!(out, b"");
}

#[test]
fn annotation_escapes_what_the_format_uses() {
    let cases = cases("[[test]]\nname = \"a: b, c\"\nkernel = \"k\"\n");
    let failed = outcome(Verdict::Failed("50% of\nit".into()));
    let line = report::annotation(Path::new("s.toml"), &cases[0], &failed);
    let expected = "::error file=s.toml,line=1,title=a%3A b%2C c::50%25 of%0Ait";
    assert_eq!(line.as_deref(), Some(expected));
    let passed = outcome(Verdict::Passed);
    assert_eq!(
        report::annotation(Path::new("s.toml"), &cases[0], &passed),
        None
    );
}

#[test]
fn junit_counts_failures_and_errors_and_is_sound_xml() {
    let cases = ten();
    let results = vec![
        (&cases[0], outcome(Verdict::Passed)),
        (&cases[1], outcome(Verdict::Failed("a < b".into()))),
        (&cases[2], outcome(Verdict::Broken("gone".into()))),
    ];
    let bytes = report::junit(Path::new("d/s.toml"), &results, Duration::from_secs(3)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains("tests=\"3\"") && text.contains("failures=\"1\""),
        "{text}"
    );
    assert!(text.contains("errors=\"1\""), "{text}");
    assert!(
        text.contains("a &lt; b") && text.contains("&lt;&amp;&gt;"),
        "{text}"
    );
    assert!(!text.contains('\0') && !text.contains('\x1b'), "{text}");
}

/// XML 1.0, 2.2: the characters that a document may hold.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[test]
fn junit_holds_only_characters_that_xml_has() {
    let cases = cases("[[test]]\nname = \"a\\u0001\\uFFFF\"\nkernel = \"k\"\n");
    // Every character of two bytes and the last ones of three; and what is none.
    let mut console: Vec<u8> = (0..=0x7ff)
        .chain(0xfd00..=0xffff)
        .filter_map(char::from_u32)
        .collect::<String>()
        .into_bytes();
    console.extend([0xff, 0xed, 0xa0, 0x80, 0xc0]);
    let failed = Outcome {
        console,
        ..outcome(Verdict::Failed("saw \u{1b}\u{fffe}".into()))
    };
    let results = vec![(&cases[0], failed)];
    let bytes = report::junit(Path::new("s.toml"), &results, Duration::ZERO).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains('\u{fffd}') && text.contains("saw "), "{text}");
    assert_eq!(text.chars().find(|c| !is_xml(*c)), None);
}
