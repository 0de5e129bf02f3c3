//! What a suite prints, and its JUnit file.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::case::{Outcome, Verdict, place_of};
use super::file::Case;

/// Lines of the console that a failure shows.
const SHOWN: usize = 20;
/// Characters of such a line that are shown, from its end.
const WIDTH: usize = 400;

/// Prints one case. With `quiet` only what did not pass.
pub fn print(
    out: &mut dyn Write,
    suite: &Path,
    case: &Case,
    outcome: &Outcome,
    quiet: bool,
) -> io::Result<()> {
    let (word, reason) = match &outcome.verdict {
        Verdict::Passed if quiet => return Ok(()),
        Verdict::Passed => ("pass", None),
        Verdict::Failed(reason) => ("FAIL", Some(reason)),
        Verdict::Broken(reason) => ("BROKEN", Some(reason)),
    };
    let cost = format!(
        "{:.2} s, {:.1} M instructions",
        outcome.time.as_secs_f64(),
        outcome.instructions as f64 / 1e6
    );
    writeln!(out, "{word:6} {} ({cost})", printable(&case.name))?;
    if let Some(reason) = reason {
        writeln!(
            out,
            "       {}: {}",
            place_of(suite, case),
            printable(reason)
        )?;
        let text = String::from_utf8_lossy(&outcome.console);
        let lines: Vec<_> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN)) {
            let long = line.chars().count().saturating_sub(WIDTH);
            let cut = if long > 0 { "..." } else { "" };
            let end: String = line.chars().skip(long).collect();
            writeln!(out, "       | {cut}{}", printable(&end))?;
        }
    }
    Ok(())
}

/// The annotation that GitHub shows beside the suite's line for a case that did not pass.
pub fn annotation(suite: &Path, case: &Case, outcome: &Outcome) -> Option<String> {
    let reason = match &outcome.verdict {
        Verdict::Passed => return None,
        Verdict::Failed(reason) | Verdict::Broken(reason) => reason,
    };
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    Some(format!(
        "::error file={},line={},title={}::{}",
        property(&suite.display().to_string()),
        case.line,
        property(&case.name),
        escape(reason)
    ))
}

/// The format's own characters in a message.
fn escape(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Control characters of a guest's must not reach the reader's terminal, nor its `##[`, wherever
/// it stands in a line, the runner of a CI, which takes it for a command.
fn printable(line: &str) -> String {
    let mut out = String::new();
    for c in line.trim_end().chars() {
        match c {
            '[' if out.ends_with("##") => out.push_str("\\x5b"),
            '\t' => out.push('\t'),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The results in JUnit's format.
pub fn junit(suite: &Path, results: &[(&Case, Outcome)], time: Duration) -> Result<Vec<u8>> {
    let name = suite.file_stem().unwrap_or_default().to_string_lossy();
    let mut tests = TestSuite::new(name.to_string());
    for (case, outcome) in results {
        let status = match &outcome.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Failed(reason) => failure(NonSuccessKind::Failure, reason),
            Verdict::Broken(reason) => failure(NonSuccessKind::Error, reason),
        };
        let mut test = TestCase::new(without_noncharacters(case.name.as_bytes()), status);
        test.set_classname(name.to_string());
        test.set_time(outcome.time);
        test.add_property(("instructions".to_owned(), outcome.instructions.to_string()));
        test.extra
            .insert("file".into(), suite.display().to_string().into());
        test.extra
            .insert("line".into(), case.line.to_string().into());
        test.set_system_out(XmlString::new(without_noncharacters(&outcome.console)));
        tests.add_test_case(test);
    }
    tests.set_time(time);
    let mut report = Report::new("virtarium");
    report.set_time(time);
    report.add_test_suite(tests);
    let mut bytes = Vec::new();
    report.serialize(&mut bytes).context("JUnit report")?;
    Ok(bytes)
}

/// `XmlString` takes out the control characters that XML cannot hold, but leaves two more that
/// make a file ill-formed: U+FFFE and U+FFFF (XML 1.0, 2.2, Char).
fn without_noncharacters(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(['\u{fffe}', '\u{ffff}'], "")
}

fn failure(kind: NonSuccessKind, reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(without_noncharacters(reason.as_bytes()));
    status
}
