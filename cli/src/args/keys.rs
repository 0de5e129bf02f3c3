//! The grammar of list values: `first,key=value,flag`, in which `,,` stands for a comma.

use anyhow::{Result, bail};

/// The parts of a list value, in the order given; each key at most once.
#[derive(Debug, Default)]
pub struct Keys {
    /// How error messages name the option.
    option: String,
    /// Keys with their values; a key that stood alone has none.
    parts: Vec<(String, Option<String>)>,
}

impl Keys {
    /// Splits `text`. With `bare`, a first part without `=` is the value of that key.
    ///
    /// `option` names the option in errors, `--block` say.
    pub fn parse(option: &str, text: &str, bare: Option<&str>) -> Result<Self> {
        let mut keys = Self {
            option: option.to_owned(),
            parts: Vec::new(),
        };
        if text.is_empty() {
            return Ok(keys);
        }
        for (index, part) in split(text).into_iter().enumerate() {
            let (key, value) = match (part.split_once('='), bare) {
                // A path may hold `=`: it is a key only if it looks like one.
                (Some((key, value)), _) if is_name(key) => (key.to_owned(), Some(value.to_owned())),
                (_, Some(bare)) if index == 0 => (bare.to_owned(), Some(part)),
                _ => (part, None),
            };
            if key.is_empty() {
                bail!(
                    "{option} {text}: an empty part between commas (a comma in a path is written ,,)"
                );
            }
            if keys.parts.iter().any(|(other, _)| *other == key) {
                bail!("{option} {text}: {key} is given twice");
            }
            keys.parts.push((key, value));
        }
        Ok(keys)
    }

    /// Takes the value of `key`, if it was given. A key without a value is an error.
    pub fn take(&mut self, key: &str) -> Result<Option<String>> {
        match self.remove(key) {
            Some(Some(value)) => Ok(Some(value)),
            Some(None) => bail!("{}: {key} needs a value ({key}=...)", self.option),
            None => Ok(None),
        }
    }

    /// Takes a number.
    pub fn take_number(&mut self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.take(key)? else {
            return Ok(None);
        };
        match parse_number(&text) {
            Some(number) => Ok(Some(number)),
            None => bail!("{}: {key}={text} is not a number", self.option),
        }
    }

    /// Takes a flag: alone or `=on` it is true, `=off` false, absent `None`.
    pub fn take_flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.remove(key) {
            None => Ok(None),
            Some(None) => Ok(Some(true)),
            Some(Some(value)) => match value.as_str() {
                "on" | "true" | "yes" => Ok(Some(true)),
                "off" | "false" | "no" => Ok(Some(false)),
                _ => bail!("{}: {key}={value} is neither on nor off", self.option),
            },
        }
    }

    /// The first part that is left, as it was written.
    pub fn rest(&self) -> Option<String> {
        let (key, value) = self.parts.first()?;
        Some(match value {
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        })
    }

    /// Ends the parsing: what nobody took is an error that names what there is.
    pub fn finish(self, known: &str) -> Result<()> {
        match self.rest() {
            Some(part) => bail!(
                "{}: {part} is not known here; there is {known}",
                self.option
            ),
            None => Ok(()),
        }
    }

    fn remove(&mut self, key: &str) -> Option<Option<String>> {
        let at = self.parts.iter().position(|(name, _)| name == key)?;
        Some(self.parts.remove(at).1)
    }
}

/// Writes a value so that [`Keys`] reads it back.
pub fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

/// A number in decimal, or in hexadecimal after `0x`.
pub fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn is_name(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Splits at single commas; a doubled one is a comma of the part.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_part_may_be_bare() {
        let mut keys = Keys::parse("--block", "disk.img,ro", Some("path")).unwrap();
        assert_eq!(keys.take("path").unwrap().as_deref(), Some("disk.img"));
        assert_eq!(keys.take_flag("ro").unwrap(), Some(true));
        keys.finish("").unwrap();
    }

    #[test]
    fn doubled_comma_is_a_comma_and_round_trips() {
        let path = "a,b,,c=d";
        let text = format!("path={},ro=off", escape(path));
        let mut keys = Keys::parse("--block", &text, Some("path")).unwrap();
        assert_eq!(keys.take("path").unwrap().as_deref(), Some(path));
        assert_eq!(keys.take_flag("ro").unwrap(), Some(false));
    }

    #[test]
    fn path_with_an_equals_sign_is_a_path() {
        let mut keys = Keys::parse("--block", "/tmp/x=y.img", Some("path")).unwrap();
        assert_eq!(keys.take("path").unwrap().as_deref(), Some("/tmp/x=y.img"));
    }

    #[test]
    fn unknown_repeated_and_empty_parts_are_refused() {
        let keys = Keys::parse("--block", "a,colour=red", Some("path")).unwrap();
        let error = keys.finish("path").unwrap_err().to_string();
        assert!(error.contains("path=a is not known"), "{error}");
        assert!(Keys::parse("--block", "a,ro,ro", Some("path")).is_err());
        assert!(Keys::parse("--block", "a,", Some("path")).is_err());
        let mut keys = Keys::parse("--block", "a,slot=x", Some("path")).unwrap();
        assert!(keys.take_number("slot").is_err());
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(parse_number("0x80200000"), Some(0x8020_0000));
        assert_eq!(parse_number("12"), Some(12));
        assert_eq!(parse_number("0x"), None);
        assert_eq!(parse_number("-1"), None);
    }
}
