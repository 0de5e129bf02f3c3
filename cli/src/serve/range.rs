//! The `Range` header (RFC 9110, 14).

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it. A server may take a range that it does not understand for that (14.2), and this
    /// one does so with several ranges at once.
    All,
    /// The bytes from the first number up to the second, which is not among them.
    Part(u64, u64),
    /// What the file does not have.
    Nothing,
}

/// Reads the header's value for a file of `size` bytes.
pub fn parse(value: &str, size: u64) -> Wanted {
    wanted(value, size).unwrap_or(Wanted::All)
}

fn wanted(value: &str, size: u64) -> Option<Wanted> {
    let (unit, spec) = value.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (start, end) = match (first, last) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(match start < end {
        true => Wanted::Part(start, end),
        false => Wanted::Nothing,
    })
}

/// Digits only; a number that is too large is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::Wanted::{All, Nothing, Part};
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        let large = "9".repeat(40);
        for (value, expected) in [
            ("bytes=0-0", Part(0, 1)),
            ("bytes=2-5", Part(2, 6)),
            ("Bytes=2-", Part(2, 10)),
            ("bytes=9-99", Part(9, 10)),
            (&format!("bytes=0-{large}"), Part(0, 10)),
            ("bytes=-3", Part(7, 10)),
            ("bytes=-99", Part(0, 10)),
            ("bytes=-0", Nothing),
            ("bytes=10-", Nothing),
            ("bytes=10-12", Nothing),
            (&format!("bytes={large}-"), Nothing),
            ("bytes=5-2", All),
            ("bytes=0-1,3-4", All),
            ("bytes=a-b", All),
            ("bytes=+1-2", All),
            ("bytes=--1", All),
            ("bytes=-", All),
            ("bytes=", All),
            ("lines=0-1", All),
            ("", All),
        ] {
            assert_eq!(parse(value, 10), expected, "{value}");
        }
        assert_eq!(parse("bytes=0-", 0), Nothing);
        assert_eq!(parse("bytes=-5", 0), Nothing);
    }
}
