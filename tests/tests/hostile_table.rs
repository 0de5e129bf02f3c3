//! The second table of `docs/hostile.md`: classes of hostile inputs that concern a place instead of
//! a virtio device. It is made from the comments `// Hostile inputs, V19.` in front of tests.

use std::collections::BTreeMap;
use std::path::Path;

/// The classes of the table.
const CLASSES: [(&str, &str); 4] = [
    (
        "V19",
        "a disk image that passes for another format, or names a file of the host",
    ),
    (
        "V21",
        "kernels, ELF files and device trees with loops, overflows and lies about their parts",
    ),
    (
        "V25",
        "links that somebody put where the program is going to write",
    ),
    (
        "V26",
        "the guest reaches the emulator's own state: bounds of every access",
    ),
];

/// A column of the table: files by the beginnings of their paths, and why a class is not there.
struct Place {
    name: &'static str,
    paths: &'static [&'static str],
    /// In the order of [`CLASSES`]; empty where there are tests.
    reasons: [&'static str; 4],
}

const PLACES: [Place; 4] = [
    Place {
        name: "loaders",
        paths: &["core/machine/src/boot/", "core/machine/src/fdt/"],
        reasons: [
            "a kernel is one file, and no format of kernels names another",
            "",
            "writes no file",
            "what is placed is checked against RAM, as V21",
        ],
    },
    Place {
        name: "guest memory",
        paths: &["core/machine/src/arena/", "core/machine/src/interp/"],
        reasons: ["opens no file", "loads nothing", "writes no file", ""],
    },
    Place {
        name: "disks",
        paths: &["cli/src/host/block/", "tests/tests/overlay/"],
        reasons: [
            "",
            "loads no program",
            "",
            "reaches memory by the devices of the table above, whose tests run between guards as well",
        ],
    },
    Place {
        name: "outputs",
        paths: &["cli/src/host/files.rs", "cli/src/image/", "cli/tests/"],
        reasons: [
            "writes images and reads none",
            "loads nothing",
            "",
            "nothing of the guest's is written by address",
        ],
    },
];

const MARK: &str = "// Hostile inputs, ";
const HEAD: &str = "| class | loaders |";

/// Tests by class and place, both by number.
type Cells = BTreeMap<(usize, usize), Vec<String>>;

/// A test's name with its modules, as `cargo test` shows it, but for the module `tests`.
fn full_name(path: &str, name: &str) -> String {
    let path = path.trim_end_matches(".rs");
    let inside = [
        "core/machine/src/",
        "cli/src/",
        "cli/tests/",
        "tests/tests/",
    ]
    .iter()
    .find_map(|crate_| path.strip_prefix(crate_));
    let modules = inside.unwrap_or(path).split('/');
    let modules = modules.filter(|module| !["tests", "mod"].contains(module));
    modules.chain([name]).collect::<Vec<_>>().join("::")
}

/// Adds what a file has. Panics where a comment stands in front of anything but a test.
fn read(path: &str, text: &str, cells: &mut Cells) {
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(classes) = line.strip_prefix(MARK) else {
            continue;
        };
        // More of the comment, and attributes.
        let mut is_test = false;
        let name = loop {
            match lines.next() {
                Some("#[test]") => is_test = true,
                Some(line) if line.starts_with("//") || line.starts_with("#[") => {}
                Some(line) => break line.strip_prefix("fn ").and_then(|at| at.split('(').next()),
                None => break None,
            }
        };
        let name = name.filter(|_| is_test);
        let name = name.unwrap_or_else(|| panic!("{path}: `{line}` is in front of no test"));
        let place = PLACES.iter().position(|place| {
            let mut paths = place.paths.iter();
            paths.any(|begin| path.starts_with(begin))
        });
        let place = place.unwrap_or_else(|| panic!("{path} has no column in the table"));
        let classes = classes.split(['.', ':']).next().unwrap_or_default();
        for id in classes.split(", ") {
            let class = CLASSES.iter().position(|(known, _)| *known == id);
            let class = class.unwrap_or_else(|| panic!("{path}: no class {id} here"));
            let cell = cells.entry((class, place)).or_default();
            cell.push(full_name(path, name));
        }
    }
}

/// Reads every source file of a folder and of those in it, in the order of their names.
fn walk(root: &Path, folder: &str, cells: &mut Cells) {
    let entries = std::fs::read_dir(root.join(folder)).expect("a folder of the repository");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be listed").file_name())
        .filter_map(|name| name.into_string().ok())
        .collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            if name != "target" {
                walk(root, &path, cells);
            }
        } else if name.ends_with(".rs") && !path.ends_with("tests/hostile_table.rs") {
            let text = std::fs::read_to_string(root.join(&path)).expect("a source file");
            read(&path, &text, cells);
        }
    }
}

fn table(cells: &Cells) -> String {
    let mut text = String::from("| class |");
    for place in &PLACES {
        text += &format!(" {} |", place.name);
    }
    text += &format!("\n|{}\n", "---|".repeat(PLACES.len() + 1));
    for (class, (id, what)) in CLASSES.iter().enumerate() {
        text += &format!("| {id}: {what} |");
        for (place, Place { name, reasons, .. }) in PLACES.iter().enumerate() {
            let reason = reasons[class];
            match cells.get(&(class, place)) {
                Some(tests) => {
                    assert_eq!(reason, "", "{id} has tests at {name}");
                    let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
                    text += &format!(" {} |", tests.join("<br>"));
                }
                None => {
                    assert_ne!(reason, "", "{id} has neither tests nor a reason at {name}");
                    text += &format!(" *none: {reason}* |");
                }
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_committed_table_is_that_of_the_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cells = Cells::new();
    for folder in ["cli", "core", "tests"] {
        walk(&root, folder, &mut cells);
    }
    let table = table(&cells);
    let path = root.join("docs/hostile.md");
    let committed = std::fs::read_to_string(&path).expect("the committed tables");
    if std::env::var_os("VIRTARIUM_WRITE_TABLES").is_some() {
        let begin = committed.find(HEAD).unwrap_or(committed.len());
        let end = committed[begin..].find("\n\n");
        let end = end.map_or(committed.len(), |at| begin + at + 1);
        let text = format!("{}{table}{}", &committed[..begin], &committed[end..]);
        std::fs::write(path, text).expect("the repository can be written");
        return;
    }
    assert!(
        committed.contains(&table),
        "docs/hostile.md is out of date; run this test with VIRTARIUM_WRITE_TABLES=1"
    );
}

#[test]
fn tests_are_found_by_their_comments() {
    let text = "
        // Hostile inputs, V21. What the standard says.
        // And more.
        #[cfg(unix)]
        #[test]
        fn first() {}

        #[test]
        fn without() {}

        // Hostile inputs, V21, V26.
        #[test]
        fn second() {}
    ";
    let mut cells = Cells::new();
    read("core/machine/src/boot/tests.rs", text, &mut cells);
    assert_eq!(cells[&(1, 0)], ["boot::first", "boot::second"]);
    assert_eq!(cells[&(3, 0)], ["boot::second"]);
    assert_eq!(cells.len(), 2);
    let stray = |text: &'static str| {
        std::panic::catch_unwind(|| read("core/machine/src/fdt/x.rs", text, &mut Cells::new()))
    };
    assert!(stray("// Hostile inputs, V21.\nfn helper() {}").is_err());
    assert!(stray("// Hostile inputs, V99.\n#[test]\nfn test() {}").is_err());
    assert!(stray("// Hostile inputs, V21.\n#[test]\nfn test() {}").is_ok());
}
