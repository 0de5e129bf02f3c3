//! Options of a kernel: what was asked for, and whether the kernel's own rules let it be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// What a file of options may take; Debian's largest has 0.3 MB.
const MAX_CONFIG: u64 = 4 << 20;
/// Options that an error names one by one.
const NAMED: usize = 8;

/// Reads a file of options.
///
/// # Errors
/// If it cannot be read, is too large, or is no text.
pub fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = || {
        File::open(path)?
            .take(MAX_CONFIG + 1)
            .read_to_string(&mut text)
    };
    let size = { read }().with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        size as u64 <= MAX_CONFIG,
        "{} is larger than {MAX_CONFIG} bytes",
        path.display()
    );
    Ok(text)
}

/// Options by name, with their values as they stand there; `n` for those that are off.
///
/// # Errors
/// Names the line that is no option and no comment, or gives an option a second time.
pub fn parse(text: &str) -> Result<BTreeMap<&str, &str>> {
    let mut options = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let off = line
            .strip_prefix("# ")
            .and_then(|rest| rest.strip_suffix(" is not set"))
            .filter(|name| is_name(name));
        let (name, value) = match off {
            Some(name) => (name, "n"),
            None if line.is_empty() || line.starts_with('#') => continue,
            None => match line.split_once('=') {
                Some((name, value)) if is_name(name) && !value.is_empty() => (name, value),
                _ => bail!("line {}: {line:?} is no option of a kernel", index + 1),
            },
        };
        ensure!(
            options.insert(name, value).is_none(),
            "line {}: {name} is there twice",
            index + 1
        );
    }
    Ok(options)
}

fn is_name(name: &str) -> bool {
    name.strip_prefix("CONFIG_").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Whether every option of `wanted` came out in `got` as it was asked for. One that is off may
/// be missing there.
///
/// # Errors
/// Names the options that did not, with what they became.
pub fn check(wanted: &str, got: &str) -> Result<()> {
    let wanted = parse(wanted).context("the options asked for")?;
    let got = parse(got).context("the resulting options")?;
    let lost: Vec<String> = wanted
        .iter()
        .filter_map(|(name, value)| {
            let is = got.get(name).copied();
            (is.unwrap_or("n") != *value).then(|| match is {
                Some(is) => format!("{name}={value} became {is}"),
                None => format!("{name}={value} vanished"),
            })
        })
        .collect();
    let more = lost.len().saturating_sub(NAMED);
    ensure!(
        lost.is_empty(),
        "{}{}: there is no such option any more, or one that it depends on is off",
        lost.get(..lost.len() - more).unwrap_or_default().join(", "),
        match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        }
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{recipe, testing::directory};

    #[test]
    fn what_came_out_as_asked_for_is_good() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_D=\"x y\"\nCONFIG_E=-1\n";
        let got = "# Automatically generated\nCONFIG_A=y\n# CONFIG_B is not set\n\
                   CONFIG_D=\"x y\"\nCONFIG_E=-1\nCONFIG_MORE=y\n";
        check(wanted, got).unwrap();
    }

    #[test]
    fn an_option_that_vanished_or_changed_is_named() {
        let complaint = |wanted: &str, got: &str| check(wanted, got).unwrap_err().to_string();
        let text = complaint("CONFIG_A=y\nCONFIG_B=y\n", "CONFIG_A=y\n");
        assert!(text.starts_with("CONFIG_B=y vanished: "), "{text}");
        let text = complaint("CONFIG_A=y\n", "# CONFIG_A is not set\n");
        assert!(text.starts_with("CONFIG_A=y became n: "), "{text}");
        let text = complaint("CONFIG_A=n\n", "CONFIG_A=m\n");
        assert!(text.starts_with("CONFIG_A=n became m: "), "{text}");
        let text = complaint("CONFIG_A=15\n", "CONFIG_A=17\n");
        assert!(text.starts_with("CONFIG_A=15 became 17: "), "{text}");
    }

    #[test]
    fn many_lost_options_are_counted() {
        let wanted: String = (0..20).map(|n| format!("CONFIG_A{n:02}=y\n")).collect();
        let text = check(&wanted, "").unwrap_err().to_string();
        assert!(
            text.contains("CONFIG_A07=y vanished, and 12 more: "),
            "{text}"
        );
    }

    #[test]
    fn lines_that_are_no_options_are_refused() {
        for bad in [
            "CONFIG_A",
            "CONFIG_=y",
            "A=y",
            "CONFIG_A=",
            "CONFIG_A-B=y",
            "=y",
            "include x",
        ] {
            let error = parse(&format!("CONFIG_X=y\n{bad}\n"))
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("line 2: "), "{error}");
        }
        let error = parse("CONFIG_A=y\n# CONFIG_A is not set\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: CONFIG_A is there twice");
    }

    #[test]
    fn a_file_that_is_no_list_of_options_is_refused_without_being_read_whole() {
        let dir = directory("config");
        let path = dir.path().join("config");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("is larger than"), "{error}");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).is_err());
        assert!(read(&dir.path().join("nothing")).is_err());
    }

    #[test]
    fn the_committed_options_are_options_with_reasons() {
        let text = recipe::SMALL_CONFIG.1;
        assert!(parse(text).unwrap().len() > 150);
        for group in text.split("\n\n") {
            assert!(group.trim_start().starts_with("# "), "{group}");
        }
    }
}
