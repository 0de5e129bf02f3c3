//! `virtarium test`: what the command line says.

use std::path::PathBuf;

use clap::Args;

const AFTER_HELP: &str = "\
Exit status: 0 if every case passed, 1 if one failed, 125 if the suite or a file of it cannot be \
used.";

/// Options of `virtarium test`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TestArgs {
    /// The suite: a TOML file of [[test]] tables; paths in it are relative to it
    #[arg(value_name = "SUITE.toml")]
    pub suite: PathBuf,
    /// Run only the cases whose name matches
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
    /// Run only the k-th of n equal parts, from 1
    #[arg(long, value_name = "K/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    /// Cases that run at once (default: one for each core)
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print the names of the cases and run none
    #[arg(long)]
    pub list: bool,
    /// Print only failures and the summary
    #[arg(short, long)]
    pub quiet: bool,
}

/// The k-th of n parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1 to `count`.
    pub index: usize,
    /// How many parts.
    pub count: usize,
}

impl Shard {
    /// Reads `k/n`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("needs k/n with k from 1 to n, such as 2/4".to_owned()),
        }
    }

    /// Whether the case at `position` (from 0) belongs to this part.
    pub fn has(self, position: usize) -> bool {
        position % self.count == self.index - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_partition_the_cases() {
        let shards: Vec<_> = (1..=3).map(|k| Shard { index: k, count: 3 }).collect();
        for position in 0..20 {
            let owners = shards.iter().filter(|shard| shard.has(position)).count();
            assert_eq!(owners, 1, "case {position}");
        }
    }

    #[test]
    fn shard_outside_of_its_count_is_refused() {
        assert_eq!(Shard::parse("2/4"), Ok(Shard { index: 2, count: 4 }));
        for text in ["0/4", "5/4", "1/0", "x/2", "1"] {
            assert!(Shard::parse(text).is_err(), "{text}");
        }
    }
}
