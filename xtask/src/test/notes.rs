//! What tests say beside passing: that one was skipped, how many cases another looked at, and how
//! long something took.
//! They append lines to a file that the environment names (`virtarium_tests::notes`).

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The variable with the file's path.
pub const VARIABLE: &str = "VIRTARIUM_NOTES";

/// The file of one run.
pub struct Notes {
    path: PathBuf,
}

impl Notes {
    /// An empty file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new() -> Result<Self> {
        let path = super::folder("test")?.join("notes");
        fs::write(&path, "").with_context(|| format!("{}", path.display()))?;
        Ok(Self { path })
    }

    /// Where tests append.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What they said.
    ///
    /// # Errors
    /// If the file is gone.
    pub fn read(&self) -> Result<Said> {
        let text = fs::read_to_string(&self.path);
        let text = text.with_context(|| format!("{}", self.path.display()))?;
        Ok(Said::parse(&text))
    }
}

/// What the tests of a run said, in the order of their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Tests that were skipped, and why.
    pub skipped: Vec<(String, String)>,
    /// Cases looked at: what they are, and how many.
    pub counted: Vec<(String, u64)>,
    /// What was measured, with its unit.
    pub figures: Vec<(String, String)>,
}

impl Said {
    /// Reads lines of `skip`, name and reason, `count`, name and number, or `figure`, name and
    /// text, between tabs. Counts of one name are added up; a line of another form is somebody
    /// else's.
    pub fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            match fields[..] {
                ["skip", name, reason] => said.skipped.push((name.to_owned(), reason.to_owned())),
                ["count", name, number] => said.count(name, number.parse().unwrap_or_default()),
                ["figure", name, text] => said.figures.push((name.to_owned(), text.to_owned())),
                _ => {}
            }
        }
        said.skipped.sort();
        said.counted.sort();
        said.figures.sort();
        said
    }

    fn count(&mut self, name: &str, number: u64) {
        match self.counted.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += number,
            None => self.counted.push((name.to_owned(), number)),
        }
    }

    /// The lines for the end of a run.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (name, number) in &self.counted {
            writeln!(text, "{number:>12}  {name}").expect("a string takes all");
        }
        for (name, figure) in &self.figures {
            writeln!(text, "{figure:>12}  {name}").expect("a string takes all");
        }
        writeln!(text, "{} tests skipped", self.skipped.len()).expect("a string takes all");
        for (name, reason) in &self.skipped {
            writeln!(text, "  {name}: {reason}").expect("a string takes all");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_and_figures_are_listed_and_counts_are_added_up() {
        let said = Said::parse(
            "skip\ta\tno dtc\ncount\tadd\t3\ncount\tadd\t4\nother\nfigure\tto the prompt\t4.20 s\n",
        );
        assert_eq!(said.counted, [("add".to_owned(), 7)]);
        let text = said.summary();
        assert!(text.contains("      4.20 s  to the prompt\n"), "{text}");
        assert!(text.contains("1 tests skipped\n  a: no dtc\n"), "{text}");
    }
}
