//! The programs of `guest/bench`: one row each.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace;

/// What a program computes with; the geometric means are taken by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Integers and memory.
    Integer,
    /// Double-precision floating point.
    Float,
}

impl Class {
    /// Both, in the order of the report.
    pub const ALL: [Self; 2] = [Self::Integer, Self::Float];

    /// As the report names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Float => "floating point",
        }
    }
}

/// One benchmark program.
#[derive(Debug)]
pub struct Program {
    /// Its name: the file is `guest/bench/NAME.c`, and its output begins with the name.
    pub name: &'static str,
    /// What it computes with.
    pub class: Class,
    /// Millions of RV64GC instructions that it retires as Debian's gcc 12 compiles it with
    /// `-O2 -static`, kernel included (about 0.2 %): `cargo xtask bench --count`.
    pub minsn: f64,
}

const fn row(name: &'static str, class: Class, minsn: f64) -> Program {
    Program { name, class, minsn }
}

/// All of them, in the order in which they run.
pub const PROGRAMS: [Program; 12] = [
    row("nbody", Class::Float, 923.3),
    row("mandel", Class::Float, 485.1),
    row("matmul", Class::Float, 1844.9),
    row("sieve", Class::Integer, 821.9),
    row("crc32", Class::Integer, 1165.1),
    row("mix", Class::Integer, 2229.0),
    row("fib", Class::Integer, 3065.3),
    row("chase", Class::Integer, 126.1),
    row("u64", Class::Integer, 1121.2),
    row("memcpy", Class::Integer, 1459.3),
    row("strs", Class::Integer, 1651.7),
    row("qsort", Class::Integer, 785.8),
];

/// Where the sources are.
pub fn sources() -> PathBuf {
    workspace::root().join("guest").join("bench")
}

/// The rows with these names, in the table's order; all if there are no names.
///
/// # Errors
/// If a name is not in the table.
pub fn select(names: &[String]) -> Result<Vec<&'static Program>> {
    for name in names {
        if !PROGRAMS.iter().any(|program| program.name == name) {
            let known: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
            bail!(
                "there is no program {name:?}; there are: {}",
                known.join(", ")
            );
        }
    }
    let wanted =
        |program: &&Program| names.is_empty() || names.iter().any(|name| name == program.name);
    Ok(PROGRAMS.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_file_has_a_row_and_every_row_a_file() {
        let mut files: Vec<String> = std::fs::read_dir(sources())
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.strip_suffix(".c").map(str::to_owned)
            })
            .filter(|name| name != "init")
            .collect();
        let mut rows: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
        files.sort();
        rows.sort_unstable();
        assert_eq!(files, rows);
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_order_is_the_tables() {
        assert!(select(&["nbdy".into()]).is_err());
        let some = select(&["qsort".into(), "nbody".into()]).unwrap();
        let names: Vec<_> = some.iter().map(|program| program.name).collect();
        assert_eq!(names, ["nbody", "qsort"]);
        assert_eq!(select(&[]).unwrap().len(), PROGRAMS.len());
    }
}
