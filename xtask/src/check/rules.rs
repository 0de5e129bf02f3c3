//! The rules of this repository that no compiler knows.

use std::path::Path;

use super::files::Text;
use crate::workspace;

/// A file longer than this is more than one thing.
const LINES: usize = 800;

/// Files that a tool writes, or whose text is given: their length and their words are not ours.
const GIVEN: [&str; 7] = [
    "Cargo.lock",
    "fuzz/Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "guest/images/debian.lock",
    "guest/images/debian-archive-trixie.asc",
    "www/package-lock.json",
];

/// Where `unsafe` may be opened, and why it is needed there.
const UNSAFE: [(&str, &str); 5] = [
    (
        "core/machine/src/arena/",
        "guest memory lies at fixed offsets in one block",
    ),
    ("cli/src/host/storage.rs", "guest memory is a mapping"),
    (
        "tests/tests/float_oracle/oracle.rs",
        "SoftFloat is written in C",
    ),
    (
        "tests/tests/virtio_drivers/",
        "the drivers of others ask for memory by an unsafe trait",
    ),
    (
        "tests/wasm-core/src/exports.rs",
        "a module without bindings passes addresses",
    ),
];

/// Beginnings of paths that belong to one machine. Spelled in halves: this file is checked too.
const PLACES: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("C:\\", "Users"),
];

/// Also the home of a guest's first user.
const GUESTS_HOME: &str = PLACES[3];

/// Whether a file may name places in a guest: the page brings files there.
fn shows_guests(path: &str) -> bool {
    path.starts_with("www/") || path == "docs/page.md"
}

/// Hosts that serve packages. Which one is asked is a setting of the machine that asks.
const HOSTS: [&str; 13] = [
    concat!("deb.deb", "ian.org"),
    concat!("ftp.deb", "ian.org"),
    concat!("security.deb", "ian.org"),
    concat!("snapshot.deb", "ian.org"),
    concat!("archive.ubu", "ntu.com"),
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("static.rust", "-lang.org"),
    concat!("registry.np", "mjs.org"),
    concat!("registry.yar", "npkg.com"),
    concat!("py", "pi.org"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.gol", "ang.org"),
];

/// Words for unfinished work; each needs to say what is missing.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// What is wrong with one file, one line each: `path:line: what`.
pub fn check(text: &Text) -> Vec<String> {
    if GIVEN.contains(&text.path.as_str()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let lines = text.content.lines().count();
    if lines > LINES {
        found.push(format!("{}: {lines} lines; split it at {LINES}", text.path));
    }
    for (index, line) in text.content.lines().enumerate() {
        for what in in_line(&text.path, line) {
            found.push(format!("{}:{}: {what}", text.path, index + 1));
        }
    }
    found
}

fn in_line(path: &str, line: &str) -> Vec<String> {
    let mut found = Vec::new();
    // The guest's own paths look like a host's.
    if !path.starts_with("guest/") {
        let here = workspace::root().to_string_lossy();
        let place = PLACES
            .iter()
            .copied()
            .filter(|place| *place != GUESTS_HOME || !shows_guests(path))
            .chain((here.len() > 1).then_some(&*here))
            .find(|place| names_place(line, place));
        found.extend(place.map(|place| format!("a path of one machine ({place}...)")));
    }
    let host = HOSTS.iter().find(|host| line.contains(**host));
    found.extend(host.map(|host| format!("a host that serves packages ({host})")));
    for mark in MARKS {
        if let Some((_, rest)) = line.split_once(mark)
            && rest.split_whitespace().count() < 3
        {
            found.push(format!("{mark} that does not say what is missing"));
        }
    }
    let opens = line.contains("unsafe_code") && path.ends_with(".rs");
    if opens && path != file!() && !UNSAFE.iter().any(|(place, _)| path.starts_with(place)) {
        let places: Vec<_> = UNSAFE.iter().map(|(place, _)| *place).collect();
        found.push(format!("unsafe code outside of {}", places.join(", ")));
    }
    if is_core(path) {
        found.extend(in_core(line).map(str::to_owned));
    }
    found
}

/// Whether the line has an absolute path that begins with `place`: a `/` inside a longer path or
/// URL begins nothing.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-:/}".contains(c))
    })
}

/// Code of the portable core that is not a test's.
fn is_core(path: &str) -> bool {
    let test = path.contains("/tests/") || path.ends_with("tests.rs") || path.contains("/benches/");
    path.starts_with("core/") && path.ends_with(".rs") && !test
}

/// What the core must not have, because every host must compute the same.
fn in_core(line: &str) -> Option<&'static str> {
    let code = line.split("//").next().unwrap_or_default();
    let target = ["cfg(target", "cfg!(target", "cfg_attr(target", "(target_"];
    if target.iter().any(|form| code.contains(form)) {
        return Some("the core asks which host it runs on");
    }
    None
}

/// What is wrong with the set of names: a link between documents that leads nowhere.
pub fn check_names(files: &[Text]) -> Vec<String> {
    let documents = files.iter().filter(|text| text.path.ends_with(".md"));
    let mut found = Vec::new();
    for text in documents {
        for target in links(&text.content) {
            let folder = Path::new(&text.path).parent().unwrap_or(Path::new(""));
            if !workspace::root().join(folder).join(target).exists() {
                found.push(format!(
                    "{}: a link to {target}, which is missing",
                    text.path
                ));
            }
        }
    }
    found
}

/// Targets of links to files, without what follows `#`.
fn links(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?;
        let file = target.split('#').next()?;
        let local = !file.is_empty() && !file.contains("://") && !file.contains(' ');
        local.then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, line: &str) -> bool {
        !in_line(path, line).is_empty()
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        assert!(found("cli/a.rs", &format!("open(\"{}me\")", PLACES[0])));
        assert!(found(
            "cli/a.rs",
            &format!("{}:", workspace::root().display())
        ));
        assert!(!found("cli/a.rs", &format!("https://host{}me", PLACES[0])));
        assert!(!found("guest/init", &format!("cd {}", PLACES[3])));
        assert!(!found("www/a.js", &format!("cd {}", PLACES[3])));
        assert!(found("www/a.js", &format!("cd {}", PLACES[0])));
    }

    #[test]
    fn a_host_that_serves_packages_is_found() {
        assert!(found("README.md", &format!("from https://{}/x", HOSTS[0])));
        assert!(!found("README.md", "from https://www.debian.org/"));
    }

    #[test]
    fn a_mark_needs_words() {
        assert!(found("a.rs", &format!("// {}: later", MARKS[0])));
        let said = format!("// {}: harts beyond the first are not started", MARKS[0]);
        assert!(!found("a.rs", &said));
    }

    #[test]
    fn unsafe_code_is_for_the_named_files() {
        let line = concat!("#![expect(unsafe", "_code, reason = \"r\")]");
        assert!(found("core/machine/src/bus.rs", line));
        assert!(!found("core/machine/src/arena/mod.rs", line));
    }

    #[test]
    fn the_core_does_not_ask_for_its_host() {
        let line = "#[cfg(target_pointer_width = \"32\")]";
        assert!(found("core/machine/src/bus.rs", line));
        assert!(!found("core/machine/src/bus/tests.rs", line));
        assert!(!found("cli/src/main.rs", line));
        assert!(!found("core/machine/src/bus.rs", "// no cfg(target...)"));
    }

    #[test]
    fn a_long_file_is_found() {
        let text = |lines: usize| Text {
            path: "a.rs".to_owned(),
            content: "x\n".repeat(lines),
        };
        assert!(check(&text(LINES)).is_empty());
        assert_eq!(check(&text(LINES + 1)).len(), 1);
    }

    #[test]
    fn links_between_documents_are_told_from_others() {
        let text = "[a](docs/A.md#x) [b](https://host/) [c](#here)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/A.md"]);
    }
}
