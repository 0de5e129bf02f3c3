//! What a soak run has done so far, in a file that is appended to: a run that is interrupted
//! loses the tests that it was in, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{number, seed_from_clock};

/// How a unit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It passed.
    Passed,
    /// It failed; a run that resumes tries it again.
    Failed,
}

/// Ends and times by the names of units.
type Ends = BTreeMap<String, (End, Duration)>;

/// The ends of units of one commit from one seed.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    seed: u64,
    ends: Ends,
}

impl State {
    /// Goes on with the file at `path` if it is of this commit and, where one is given, this
    /// seed; begins it anew otherwise.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: &Path, commit: &str, seed: Option<u64>) -> Result<Self> {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some((old, ends)) = parse(&text, commit)
            && seed.is_none_or(|seed| seed == old)
        {
            return Ok(Self {
                path: path.to_owned(),
                seed: old,
                ends,
            });
        }
        let seed = seed.unwrap_or_else(seed_from_clock);
        fs::write(path, format!("{commit}\t{seed:#x}\n"))
            .with_context(|| format!("{}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            seed,
            ends: Ends::new(),
        })
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether the unit has passed.
    pub fn passed(&self, name: &str) -> bool {
        matches!(self.ends.get(name), Some((End::Passed, _)))
    }

    /// How the unit ended and how long it took, if it has been run.
    pub fn of(&self, name: &str) -> Option<(End, Duration)> {
        self.ends.get(name).copied()
    }

    /// The names of all units that have been run.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.ends.keys().map(String::as_str)
    }

    /// Adds an end to the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&mut self, name: &str, end: End, took: Duration) -> Result<()> {
        self.ends.insert(name.to_owned(), (end, took));
        let word = match end {
            End::Passed => "passed",
            End::Failed => "failed",
        };
        let line = format!("{name}\t{word}\t{}\n", took.as_millis());
        OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("{}", self.path.display()))
    }
}

/// Seed and ends, if the text is of this commit. The last end of a name counts; half a line, of a
/// run that was killed, does not.
fn parse(text: &str, commit: &str) -> Option<(u64, Ends)> {
    let mut lines = text.lines();
    let (of, seed) = lines.next()?.split_once('\t')?;
    if of != commit {
        return None;
    }
    let seed = number(seed).ok()?;
    let mut ends = Ends::new();
    for line in lines {
        let fields: Vec<_> = line.split('\t').collect();
        let (name, end, took) = match fields[..] {
            [name, "passed", took] => (name, End::Passed, took),
            [name, "failed", took] => (name, End::Failed, took),
            _ => continue,
        };
        if let Ok(took) = took.parse() {
            ends.insert(name.to_owned(), (end, Duration::from_millis(took)));
        }
    }
    Some((seed, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        super::super::folder("soak-test").unwrap().join(name)
    }

    #[test]
    fn a_run_of_the_same_commit_resumes_with_its_seed() {
        let path = file("resumes");
        let _ = fs::remove_file(&path);
        let mut state = State::open(&path, "abc", Some(7)).unwrap();
        state
            .record("a::b", End::Passed, Duration::from_secs(1))
            .unwrap();
        state
            .record("a::c", End::Failed, Duration::from_secs(1))
            .unwrap();
        let again = State::open(&path, "abc", None).unwrap();
        assert_eq!(again.seed(), 7);
        assert!(again.passed("a::b"));
        assert!(!again.passed("a::c"));
        assert_eq!(again.names().collect::<Vec<_>>(), ["a::b", "a::c"]);
    }

    #[test]
    fn another_commit_or_seed_begins_anew() {
        let path = file("anew");
        let _ = fs::remove_file(&path);
        let mut state = State::open(&path, "abc", Some(7)).unwrap();
        state.record("a", End::Passed, Duration::ZERO).unwrap();
        assert!(!State::open(&path, "abc", Some(8)).unwrap().passed("a"));
        let mut state = State::open(&path, "abc", Some(7)).unwrap();
        state.record("a", End::Passed, Duration::ZERO).unwrap();
        assert!(!State::open(&path, "abd", None).unwrap().passed("a"));
    }

    #[test]
    fn half_a_line_is_no_end() {
        let (_, ends) = parse("abc\t0x1\na\tpassed\t5\nb\tpas", "abc").unwrap();
        assert_eq!(ends.len(), 1);
    }
}
