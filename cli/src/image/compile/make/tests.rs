//! What is done with what `make` says, with a shell in its place.

use super::*;
use crate::image::testing::directory;

/// Name of the script: the first argument that `make` gets, which a shell takes for a file.
const SCRIPT: &str = "ARCH=riscv";

/// Runs a script in place of `make Image`. Gives the lines heard, the result and the log.
fn run(script: &str) -> (Vec<String>, Result<()>, String) {
    let dir = directory("make");
    let (tree, log) = (dir.path().join("tree"), dir.path().join("make.log"));
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join(SCRIPT), script).unwrap();
    let make = Make::new("sh", &tree, log.clone(), 0).unwrap();
    let mut lines = Vec::new();
    let result = make.run(&["-j1", "Image"], &[("EXTRA", OsStr::new("e"))], |line| {
        lines.push(String::from_utf8_lossy(line).into_owned());
    });
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    make.forget_log();
    assert!(!log.exists());
    (lines, result, text)
}

#[test]
fn both_outputs_are_heard_and_logged_in_order() {
    let (lines, result, log) = run("echo '  CC      a.o'; echo warning >&2; echo '  LD      b'");
    result.unwrap();
    assert_eq!(lines, ["  CC      a.o\n", "warning\n", "  LD      b\n"]);
    assert_eq!(log, lines.concat());
}

#[test]
fn a_failure_names_the_first_complaint_and_the_log() {
    let (_, result, log) = run(
        "echo '  CC      a.o'; echo 'a.c:1:2: error: no such thing' >&2; \
         echo 'make: *** [Makefile:1: a.o] Error 1' >&2; echo last; exit 2",
    );
    let text = result.unwrap_err().to_string();
    assert!(
        text.starts_with("`make Image` failed (exit status: 2): a.c:1:2: error: no such thing; ")
            && text.ends_with("make.log has all that it said"),
        "{text}"
    );
    assert!(log.ends_with("last\n"), "{log}");
    // Without a complaint, the last line is better than nothing.
    let (_, result, _) = run("echo first; echo; echo 'the last'; echo; exit 1");
    let text = result.unwrap_err().to_string();
    assert!(text.contains("(exit status: 1): the last; "), "{text}");
    let (_, result, _) = run("kill -9 $$");
    let text = result.unwrap_err().to_string();
    assert!(text.contains("(signal: 9"), "{text}");
}

#[test]
fn a_program_that_is_missing_is_named() {
    let dir = directory("make-none");
    let make = Make::new("no-such-make", dir.path(), dir.path().join("log"), 0).unwrap();
    let text = make.run(&["Image"], &[], |_| {}).unwrap_err().to_string();
    assert_eq!(text, "make cannot be run");
    let nowhere = dir.path().join("no/log");
    let error = Make::new("sh", dir.path(), nowhere, 0).err().unwrap();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
}

#[test]
fn nothing_of_our_environment_gets_into_the_kernel() {
    let (lines, result, _) = run("env; echo args \"$@\"");
    result.unwrap();
    let names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_", "TMPDIR"].contains(name))
        .filter(|name| !name.starts_with("args"))
        .collect();
    let names = std::collections::BTreeSet::from_iter(names);
    let expected = [
        "EXTRA",
        "KBUILD_BUILD_HOST",
        "KBUILD_BUILD_TIMESTAMP",
        "KBUILD_BUILD_USER",
        "KBUILD_BUILD_VERSION",
        "LC_ALL",
        "PATH",
    ];
    assert_eq!(names, expected.into());
    let date = "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970\n";
    assert!(lines.iter().any(|line| line == date), "{lines:?}");
    let args = "args CROSS_COMPILE=riscv64-linux-gnu- LOCALVERSION= RUSTC=no-rustc \
                PAHOLE=no-pahole -j1 Image\n";
    assert_eq!(lines.last().map(String::as_str), Some(args));
}

#[test]
fn a_line_without_an_end_is_taken_in_pieces() {
    let (lines, result, log) = run("head -c 300000 /dev/zero | tr '\\0' x");
    result.unwrap();
    assert!(lines.iter().all(|line| line.len() as u64 <= LINE));
    assert_eq!(log, "x".repeat(300_000));
}

#[test]
fn lines_about_one_file_are_told_from_others() {
    for step in [
        "  CC      init/main.o\n",
        "  HOSTCC  scripts/x\n",
        "  LD .tmp\n",
    ] {
        assert!(is_step(step.as_bytes()), "{step}");
    }
    for other in [
        "CC a.o\n",
        "  X y\n",
        "  cc a.o\n",
        "  CC\n",
        "\n",
        "",
        "make[1]: a\n",
    ] {
        assert!(!is_step(other.as_bytes()), "{other}");
    }
}

#[test]
fn dates_are_those_that_date_prints() {
    for (seconds, text) in [
        (0, "Thu Jan  1 00:00:00 UTC 1970"),
        (951_782_399, "Mon Feb 28 23:59:59 UTC 2000"),
        (951_782_400, "Tue Feb 29 00:00:00 UTC 2000"),
        (1_787_977_149, "Sat Aug 29 04:19:09 UTC 2026"),
        (1_798_761_599, "Thu Dec 31 23:59:59 UTC 2026"),
        (u64::MAX, "Sun Feb  7 06:28:15 UTC 2106"),
    ] {
        assert_eq!(utc(seconds), text);
    }
}
