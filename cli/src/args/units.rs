//! Sizes and durations as people write them.

use std::time::Duration;

/// A size of memory: a number with `K`, `M`, `G` or `T` (powers of 1024, `B` and `iB` may
/// follow); a number alone counts MiB, as QEMU's `-m` does. In bytes.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &text[digits.len()..];
    let shift = match suffix.to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "" | "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(format!("{suffix} is not a unit of memory: K, M or G")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "needs a number with K, M or G, such as 256M".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "out of range".to_owned())
}

/// A length of time: seconds, or a number with `ms`, `s`, `m` or `h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        suffix => return Err(format!("{suffix} is not a unit of time: ms, s, m or h")),
    };
    digits
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * unit).ok())
        .ok_or_else(|| "needs a number of seconds, such as 30 or 2.5 or 10m".to_owned())
}

/// A count, in which `_` may stand between digits and `k`, `M`, `G` (powers of 1000) at the end.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let digits = plain.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &plain[digits.len()..] {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        suffix => return Err(format!("{suffix} is not a unit: k, M or G")),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale))
        .ok_or_else(|| "needs a number, such as 5000000 or 5M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_without_a_unit_counts_mebibytes() {
        assert_eq!(parse_memory("128"), Ok(128 << 20));
        assert_eq!(parse_memory("128M"), Ok(128 << 20));
        assert_eq!(parse_memory("2GiB"), Ok(2 << 30));
        assert_eq!(parse_memory("64k"), Ok(64 << 10));
        assert_eq!(parse_memory("4096b"), Ok(4096));
    }

    #[test]
    fn memory_that_is_none_is_refused() {
        for text in ["", "0", "M", "1.5G", "12X", "-1", "18446744073709551615G"] {
            assert!(parse_memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("2.5s"), Ok(Duration::from_millis(2500)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("20ms"), Ok(Duration::from_millis(20)));
        for text in ["", "x", "-1", "1d", "1e400"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_may_be_grouped_and_scaled() {
        assert_eq!(parse_count("1_000_000"), Ok(1_000_000));
        assert_eq!(parse_count("5M"), Ok(5_000_000));
        for text in ["", "M", "1x", "20000000000G"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }
}
