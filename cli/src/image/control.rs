//! Debian's control format (deb822): paragraphs of `Name: value` with continuation lines.

/// One paragraph, borrowed from the text.
#[derive(Clone, Debug, Default)]
pub struct Paragraph<'a> {
    fields: Vec<(&'a str, &'a str)>,
    text: &'a str,
}

impl<'a> Paragraph<'a> {
    /// The value of a field, with its continuation lines as they stand; names are compared
    /// without regard to case (deb822(5)).
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The paragraph as it stands in the file, without the empty line after it.
    pub fn text(&self) -> &'a str {
        self.text
    }
}

/// The paragraphs of a control file, in order. Lines without a colon are passed over.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (paragraph, tail) = rest.split_at(end_of_paragraph(rest));
            rest = tail;
            let parsed = parse(paragraph);
            if !parsed.fields.is_empty() {
                return Some(parsed);
            }
        }
        None
    })
}

/// Length of the first paragraph with the blank lines after it; of blank lines alone, if the
/// text begins with some. Never 0 for a text that is not empty.
fn end_of_paragraph(text: &str) -> usize {
    let mut at = 0;
    let mut blank = text
        .lines()
        .next()
        .is_none_or(|line| line.trim().is_empty());
    for line in text.split_inclusive('\n') {
        let empty = line.trim().is_empty();
        if blank && !empty && at > 0 {
            return at;
        }
        blank = empty;
        at += line.len();
    }
    at
}

fn parse(text: &str) -> Paragraph<'_> {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    let mut at = 0;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let from = at;
        at += line.len();
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                *value = text.get(start..at).unwrap_or(value).trim();
            }
        } else if let Some((name, value)) = line.split_once(':') {
            start = from + name.len() + 1;
            fields.push((name.trim(), value.trim()));
        }
    }
    Paragraph {
        fields,
        text: text.trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_continuations_are_found() {
        let text =
            "\n\nPackage: a\nDescription: short\n long\n .\n more\nSize: 3\n\n \nPackage: b\n";
        let all: Vec<_> = paragraphs(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("package"), Some("a"));
        assert_eq!(all[0].get("Description"), Some("short\n long\n .\n more"));
        assert_eq!(all[0].get("Size"), Some("3"));
        assert_eq!(all[0].get("None"), None);
        assert_eq!(all[1].get("Package"), Some("b"));
        assert_eq!(all[1].text(), "Package: b");
    }

    #[test]
    fn text_without_paragraphs_ends() {
        assert_eq!(paragraphs("   \n \n\t\n").count(), 0);
        assert_eq!(paragraphs("no colon\n\n#c\n").count(), 0);
        assert_eq!(paragraphs("").count(), 0);
    }
}
