//! The report of a soak run, as text that can be committed.

use std::fmt::Write;
use std::time::Duration;

use super::notes::Said;
use crate::stages::seconds;

/// One unit in the report.
pub struct Line {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// How long it took.
    pub took: Duration,
    /// What it said of its cases.
    pub said: Said,
}

/// Commit, seed, counts and failures, in Markdown.
pub fn markdown(commit: &str, seed: u64, shard: &str, lines: &[Line]) -> String {
    let failed = lines.iter().filter(|line| !line.passed).count();
    let took: Duration = lines.iter().map(|line| line.took).sum();
    let mut text = format!(
        "# Full counts\n\n\
         - commit: `{commit}`\n\
         - seed: `{seed:#x}`\n\
         - shard: {shard}\n\
         - repeat: `cargo xtask test --soak --shard {shard} --seed {seed:#x}`\n\
         - {} units, {failed} failed, {} of work\n\n\
         | unit | result | time | cases |\n|---|---|---|---|\n",
        lines.len(),
        seconds(took),
    );
    for line in lines {
        let result = if line.passed { "passed" } else { "**failed**" };
        let cases: Vec<_> = line
            .said
            .counted
            .iter()
            .map(|(what, number)| format!("{number} {what}"))
            .chain(
                line.said
                    .figures
                    .iter()
                    .map(|(what, figure)| format!("{figure} {what}")),
            )
            .chain(
                line.said
                    .skipped
                    .iter()
                    .map(|(_, why)| format!("skipped: {why}")),
            )
            .collect();
        writeln!(
            text,
            "| `{}` | {result} | {} | {} |",
            line.name,
            seconds(line.took),
            cases.join(", ")
        )
        .expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_commit_seed_counts_and_failures() {
        let line = Line {
            name: "disk::crashes".to_owned(),
            passed: false,
            took: Duration::from_secs(3),
            said: Said::parse("count\tstates\t10000\nfigure\tfor each\t2.00 s\n"),
        };
        let text = markdown("abc", 42, "1/2", &[line]);
        for part in [
            "`abc`",
            "0x2a",
            "1 units, 1 failed",
            "10000 states, 2.00 s for each",
            "**failed**",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
}
