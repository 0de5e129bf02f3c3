//! Who may know whom inside the machine: arrows go down only, and some do not exist at all.

use super::files::Text;

/// The folder whose modules are ordered here.
const SOURCES: &str = "core/machine/src/";

/// The modules of the machine from the top to the bottom. One may name those below it.
const ORDER: [&str; 20] = [
    "machine", "boot", "interp", "fdt", "virtio", "devices", "bus", "pending", "host", "trace",
    "cpu", "mmu", "isa", "float", "map", "irq", "mem", "arena", "time", "error",
];

/// What code below a path does not know, and why.
struct Absence {
    below: &'static str,
    unknown: &'static [&'static str],
    why: &'static str,
}

const ABSENCES: [Absence; 5] = [
    Absence {
        below: "core/machine/src/interp",
        unknown: &[
            "bus", "devices", "virtio", "fdt", "pending", "host", "irq", "map",
        ],
        why: "the interpreter does not know that devices exist",
    },
    Absence {
        below: "core/machine/src/isa",
        unknown: &["cpu", "mmu", "interp", "arena"],
        why: "the meaning of an instruction does not know who executes it",
    },
    Absence {
        below: "core/machine/src/cpu",
        unknown: &["bus", "devices", "virtio", "pending", "host"],
        why: "a hart does not know what is on the bus",
    },
    Absence {
        below: "core/machine/src/virtio/blk",
        unknown: &["virtio::mmio"],
        why: "a device does not know its transport",
    },
    Absence {
        below: "core/machine/src/virtio/queue",
        unknown: &[
            "virtio::mmio",
            "virtio::blk",
            "virtio::console",
            "virtio::rng",
        ],
        why: "the ring does not know who uses it",
    },
];

/// What is wrong with the references inside the machine, one line each.
pub fn check(text: &Text) -> Vec<String> {
    let test = text.path.contains("tests") || text.path.ends_with("testing.rs");
    if !text.path.starts_with(SOURCES) || !text.path.ends_with(".rs") || test {
        return Vec::new();
    }
    let module = module(&text.path);
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("{}: {what}", text.path));
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let here = place(module);
    if here.is_none() && module != "lib" {
        say(format!(
            "module {module} has no place in the order of layers.rs"
        ));
    }
    for name in references(code(&text.content)) {
        let top = name.split("::").next().unwrap_or_default();
        if let (Some(here), Some(there)) = (here, place(top))
            && there < here
        {
            say(format!("{module} names {top}, which is above it"));
        }
        for absence in &ABSENCES {
            let unknown = absence.unknown.iter().any(|unknown| {
                name == *unknown
                    || name
                        .strip_prefix(unknown)
                        .is_some_and(|r| r.starts_with("::"))
            });
            if unknown && text.path.starts_with(absence.below) {
                say(format!("names {name}, but {}", absence.why));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The module at the top that a file belongs to.
fn module(path: &str) -> &str {
    let rest = path.strip_prefix(SOURCES).unwrap_or(path);
    let first = rest.split('/').next().unwrap_or(rest);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// What comes before the tests at the end of a file.
fn code(content: &str) -> &str {
    content
        .split_once("#[cfg(test)]\nmod ")
        .map_or(content, |(code, _)| code)
}

/// The first two names of each path that begins with `crate::`, those in braces one by one.
fn references(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            names.extend(members(list).map(two));
        } else {
            let (first, more) = word(rest);
            match more.strip_prefix("::{") {
                Some(list) => names.extend(members(list).map(|name| {
                    let (second, _) = word(name);
                    format!("{first}::{second}")
                })),
                None => names.push(two(rest)),
            }
        }
    }
    names
}

/// The first two names of a path.
fn two(path: &str) -> String {
    let (first, more) = word(path);
    match more.strip_prefix("::").map(word) {
        Some((second, _)) if !second.is_empty() => format!("{first}::{second}"),
        _ => first.to_owned(),
    }
}

/// A name, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The members of a list in braces, up to its end; those of lists inside of it are left out.
fn members(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    let mut end = list.len();
    let mut starts = vec![0];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                end = at;
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => starts.push(at + 1),
            _ => {}
        }
    }
    let names = starts.into_iter().map(move |start| {
        let start = start.min(end);
        list.get(start..end).unwrap_or_default().trim_start()
    });
    names.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> usize {
        check(&Text {
            path: format!("{SOURCES}{path}"),
            content: code.to_owned(),
        })
        .len()
    }

    #[test]
    fn arrows_go_down_only() {
        assert_eq!(found("mmu/walk.rs", "use crate::mem::Width;\n"), 0);
        assert_eq!(found("mmu/walk.rs", "use crate::{mem, virtio::mmio};\n"), 1);
        assert_eq!(found("mmu/walk.rs", "fn f() { crate::bus::g() }\n"), 1);
        assert_eq!(found("mmu/walk.rs", "// not crate::bus\n"), 0);
        assert_eq!(found("mmu/tests.rs", "use crate::bus;\n"), 0);
    }

    #[test]
    fn absences_are_held() {
        // Below it in the order, and unknown to it all the same.
        assert_eq!(found("interp/step.rs", "use crate::irq::Lines;\n"), 1);
        let ring = "use crate::virtio::{mmio::Slot, regs};\n";
        assert_eq!(found("virtio/queue/chain.rs", ring), 1);
        assert_eq!(found("virtio/device.rs", ring), 0);
    }

    #[test]
    fn a_new_module_needs_a_place() {
        assert_eq!(found("new.rs", ""), 1);
    }

    #[test]
    fn paths_are_read_out_of_lists() {
        let code = "use crate::{a::{b, c}, d};\nuse crate::e::{f, g::h};\ncrate::i::j::k();";
        assert_eq!(references(code), ["a", "d", "e::f", "e::g", "i::j"]);
    }
}
