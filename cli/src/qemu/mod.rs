//! Command lines written for `qemu-system-riscv64 -machine virt`, put into our own words.
//!
//! clap has no long options with one dash, so known spellings are rewritten before it reads
//! them. What is not known is an error that names what to use instead; nothing is passed over
//! in silence.

mod devices;
mod options;

use std::ffi::OsString;

use anyhow::{Result, bail};

use crate::args::{Takes, run_option};
use devices::Board;

/// Rewrites the arguments (without our program's name) if they start a machine; others come back
/// as they were.
pub fn rewrite(args: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(first) = args.first().map(|word| word.to_string_lossy()) else {
        return Ok(args);
    };
    let implied = match &*first {
        "run" => false,
        "-h" | "--help" | "-V" | "--version" => return Ok(args),
        // Options alone, and another program's name, mean `run`.
        word if word.starts_with('-') || is_qemu(word)? => true,
        _ => return Ok(args),
    };
    let mut words = args.into_iter();
    if !implied {
        words.next();
    }
    let mut rest: Vec<OsString> = words.collect();
    if let Some(word) = rest.first()
        && is_qemu(&word.to_string_lossy())?
    {
        rest.remove(0);
    }
    let mut out = vec![OsString::from("run")];
    out.extend(rewrite_options(rest)?);
    Ok(out)
}

/// Whether the word is the name of the program whose command lines we read.
fn is_qemu(word: &str) -> Result<bool> {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    match name.strip_suffix(".exe").unwrap_or(name) {
        "qemu-system-riscv64" => Ok(true),
        name if name.starts_with("qemu-system-") => {
            bail!(
                "{name} starts another architecture; this machine is what qemu-system-riscv64 starts"
            )
        }
        _ => Ok(false),
    }
}

/// One word of the line.
enum Word {
    /// Ours, with the words that belong to it: stays.
    Native(Vec<OsString>),
    /// QEMU's: its name without dashes, and its value.
    Qemu(String, String),
}

fn rewrite_options(words: Vec<OsString>) -> Result<Vec<OsString>> {
    let words = split(words)?;
    // QEMU reads all -drive and -chardev options before the first -device.
    let mut board = Board::default();
    for word in &words {
        if let Word::Qemu(name, value) = word {
            board.collect(name, value)?;
        }
    }
    let mut out = Vec::new();
    for word in words {
        match word {
            Word::Native(words) => out.extend(words),
            Word::Qemu(name, value) => {
                let words = match board.device_option(&name, &value)? {
                    Some(words) => words,
                    None => options::translate(&name, &value)?,
                };
                out.extend(words.into_iter().map(OsString::from));
            }
        }
    }
    board.finish()?;
    Ok(out)
}

fn split(words: Vec<OsString>) -> Result<Vec<Word>> {
    let mut out = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if !text.starts_with('-') || text == "-" || text == "--" {
            out.push(Word::Native(vec![word]));
            continue;
        }
        if let Some(takes) = native(&text) {
            let mut group = vec![word];
            let value = match takes {
                Takes::Nothing => None,
                Takes::One => words.next(),
                Takes::Optional => words.next_if(|next| !next.to_string_lossy().starts_with('-')),
            };
            group.extend(value);
            out.push(Word::Native(group));
            continue;
        }
        // QEMU takes its options with two dashes too.
        let name = text.trim_start_matches('-').to_owned();
        match options::takes_value(&name) {
            Some(false) => out.push(Word::Qemu(name, String::new())),
            Some(true) => {
                let Some(value) = words.next() else {
                    bail!("-{name} needs a value");
                };
                let Some(value) = value.to_str() else {
                    bail!("-{name}: the value is not UTF-8");
                };
                out.push(Word::Qemu(name, value.to_owned()));
            }
            // Two dashes and unknown: clap names the nearest of our own options.
            None if text.starts_with("--") => out.push(Word::Native(vec![word])),
            None => bail!("{}", options::refusal(&name)),
        }
    }
    Ok(out)
}

/// Our own options keep their meaning where both programs have one of that name.
fn native(text: &str) -> Option<Takes> {
    // QEMU's `-m` reads what ours does and `size=` too.
    if text == "-m" {
        return None;
    }
    run_option(text).or_else(|| {
        // `-m128M`, as clap reads short options; QEMU has no such form.
        let short = text.strip_prefix("-m")?;
        short
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(Takes::Nothing)
    })
}

#[cfg(test)]
mod tests;
