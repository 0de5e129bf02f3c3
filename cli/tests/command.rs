//! The program itself: what it says, and with which exit status it ends.

mod kernels;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use kernels::{Kernel, devices, exits, greets, idles, tells_the_time};

/// Runs `virtarium` with the words of `line`; nothing is typed.
fn virtarium(dir: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virtarium"))
        .args(line.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null())
        .env_remove("RUST_BACKTRACE")
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap()
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn kernel(&self, name: &str, kernel: Kernel) {
        self.write(name, &kernel.image());
    }

    fn run(&self, line: &str) -> Output {
        virtarium(self.0.path(), line)
    }

    /// Runs a line that must fail with 125 and one line that holds every word.
    #[track_caller]
    fn refused(&self, line: &str, words: &[&str]) {
        let output = self.run(line);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{line}: {text}");
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
        assert!(text.starts_with("virtarium: "), "{line}: {text}");
        for word in words {
            assert!(text.contains(word), "{line}: {text}");
        }
    }

    #[track_caller]
    fn ends(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn output_and_exit_code_are_the_guests() {
    let dir = Dir::new();
    dir.kernel("k", greets("hello\n"));
    assert_eq!(dir.ends("run --bios none --kernel k", 0), "hello\n");
    for (code, expected) in [(1, 1), (42, 42), (123, 123), (124, 123), (65535, 123)] {
        dir.kernel("k", exits(code));
        dir.ends("run --bios none --kernel k", expected);
    }
}

#[test]
fn expectations_decide_the_exit_status() {
    let dir = Dir::new();
    dir.kernel("k", greets("hello\nworld\n"));
    let run = "run --bios none --kernel k";
    dir.ends(&format!("{run} --expect ^hello --expect ^world"), 0);
    dir.ends(&format!("{run} --expect ^world --expect ^hello"), 126);
    dir.kernel("k", greets("Kernel panic - not syncing: x\n"));
    dir.ends(&format!("{run} --expect shell"), 126);
    dir.kernel("k", idles());
    dir.ends(&format!("{run} --expect shell"), 126);
}

#[test]
fn guest_with_a_disk_of_the_caches_is_refused_before_it_is_fetched() {
    let dir = Dir::new();
    let line = "run --guest debian --cache c --mirror http://127.0.0.1:9/";
    dir.refused(line, &["--snapshot", "image build debian -o DIR"]);
    assert!(!dir.path("c").exists());
}

#[test]
fn limits_have_an_exit_status_of_their_own() {
    let dir = Dir::new();
    dir.kernel("k", kernels::spins());
    let run = "run --bios none --kernel k";
    dir.ends(&format!("{run} --timeout 200ms"), 124);
    dir.ends(&format!("{run} --max-instructions 1M"), 124);
}

#[test]
fn two_runs_print_the_same_digests() {
    let dir = Dir::new();
    dir.kernel("k", kernels::spins());
    let line = "run --bios none --kernel k --clock deterministic --max-instructions 1M --digest-every 100k";
    let digests = |output: Output| {
        let text = String::from_utf8(output.stderr).unwrap();
        let lines = text.lines().filter(|line| line.contains(" digest "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = digests(dir.run(line));
    assert_eq!(first.len(), 10, "{first:?}");
    assert_eq!(first, digests(dir.run(line)));
    assert!(first[0].contains("digest 100000 "), "{first:?}");
}

/// The kernel prints the device id of each slot from bus.0 to bus.7.
#[test]
fn devices_are_found_where_qemu_puts_them() {
    let dir = Dir::new();
    dir.kernel("K", devices());
    dir.write("F", &[0; 4096]);
    dir.write("G", &[0; 4096]);
    let bus0 = "run qemu-system-riscv64 -machine virt -bios none -kernel K -m 128M -smp 3 -nographic \
                -global virtio-mmio.force-legacy=false -drive file=F,if=none,format=raw,id=x0 \
                -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0";
    assert_eq!(dir.ends(bus0, 0), "20000000\n");
    let highest = "qemu-system-riscv64 -machine virt -nographic -bios none -kernel K \
                   -drive file=F,if=none,format=raw,id=x0 -device virtio-blk-device,drive=x0 \
                   -device virtio-rng-device -drive file=G,if=none,format=raw,id=x1 \
                   -device virtio-blk-device,drive=x1 \
                   -chardev null,id=c -device virtio-serial-device,bus=virtio-mmio-bus.2 -device virtconsole,chardev=c";
    assert_eq!(dir.ends(highest, 0), "00300242\n");
    let native = "run --bios none --kernel K --rng slot=3 --block F --console null";
    assert_eq!(dir.ends(native, 0), "00040032\n");
}

#[test]
fn firmware_finds_what_the_loader_put_into_memory() {
    let dir = Dir::new();
    dir.kernel("B", kernels::jumps(0x8020_0000));
    dir.kernel("K", devices());
    dir.write("F", &[0; 4096]);
    let line = "-machine virt -nographic -bios B -device loader,file=K,addr=0x80200000 \
                -drive file=F,if=none,format=raw,id=x0 -device virtio-blk-device,drive=x0";
    assert_eq!(dir.ends(line, 0), "00000002\n");
}

#[test]
fn bad_files_get_one_line_that_names_them() {
    let dir = Dir::new();
    dir.kernel("k", greets("x"));
    dir.write("empty", b"");
    dir.write("odd", &[0; 1000]);
    dir.write("disk", &[0; 4096]);
    std::fs::create_dir(dir.path("folder")).unwrap();
    let huge = std::fs::File::create(dir.path("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    // An ELF file for x86-64: class 64, little-endian, executable, machine 62.
    let mut elf = vec![0; 4096];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    elf[16] = 2;
    elf[18] = 62;
    elf[20] = 1;
    dir.write("x86", &elf);

    dir.refused("run --kernel none", &["kernel none"]);
    dir.refused("run --kernel folder", &["kernel folder", "directory"]);
    dir.refused("run --kernel empty", &["kernel empty", "empty"]);
    dir.refused("run --kernel huge", &["kernel huge", "--memory"]);
    dir.refused("run --kernel x86", &["kernel x86", "RISC-V"]);
    dir.refused("run --kernel k --initrd none", &["initrd none"]);
    dir.refused("run --kernel k --dtb k", &["k"]);
    dir.refused("run --bios none --kernel k --bios missing", &["--bios"]);
    dir.refused("run --bios missing", &["firmware missing"]);
    dir.refused(
        "run --kernel k --block folder",
        &["disk folder", "directory"],
    );
    dir.refused("run --kernel k --block odd", &["disk odd", "512"]);
    dir.refused("run --kernel k --block empty", &["disk empty", "truncate"]);
    dir.refused("run --kernel k --block none", &["disk none"]);
    dir.refused(
        "run --kernel k --block disk --block disk",
        &["disk disk", "another"],
    );
    dir.refused("run --kernel k --block disk,overlay=k", &["overlay k"]);
    dir.refused("run --load k", &["--load k", "addr="]);
    let outside = "run --load k,addr=0 --load addr=0x80200000,data=1,data-len=4";
    dir.refused(outside, &["--load k or addr=0x80200000: needs", "at 0x0"]);
    dir.refused("run --kernel k --serial file=folder", &["folder"]);
    dir.refused("test missing.toml", &["suite missing.toml"]);
}

#[test]
fn bad_options_get_one_line_that_names_them() {
    let dir = Dir::new();
    dir.refused("run --memroy 1G", &["--memroy", "--memory"]);
    dir.refused("run --memory 4G", &["3G"]);
    dir.refused("run --cpus 9", &["--cpus 9"]);
    dir.refused("run -device virtio-net-device", &["network"]);
    dir.refused("run --expect (", &["--expect"]);
    dir.refused("run -S", &["-s"]);
    dir.refused("nonsense", &["nonsense"]);
    dir.refused("qemu-system-x86_64 -m 1G", &["riscv64"]);
}

#[cfg(unix)]
#[test]
fn disk_that_cannot_be_written_names_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    dir.kernel("k", greets("x"));
    dir.write("disk", &[0; 4096]);
    let read_only = std::fs::Permissions::from_mode(0o444);
    std::fs::set_permissions(dir.path("disk"), read_only).unwrap();
    // Root may write all the same.
    if std::fs::OpenOptions::new()
        .write(true)
        .open(dir.path("disk"))
        .is_err()
    {
        dir.refused("run --kernel k --block disk", &["disk disk", ",ro"]);
    }
    dir.ends("run --bios none --kernel k --block disk,ro", 0);
    dir.ends("run --bios none --kernel k --block disk --snapshot", 0);
}

#[cfg(unix)]
#[test]
fn signal_ends_the_run_with_its_number() {
    let dir = Dir::new();
    dir.kernel("k", kernels::spins());
    let mut child = Command::new(env!("CARGO_BIN_EXE_virtarium"))
        .args(["run", "--bios", "none", "--kernel", "k"])
        .current_dir(dir.0.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let kill = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

// Hostile inputs, V25.
#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    let dir = Dir::new();
    dir.kernel("k", greets("hello\n"));
    dir.write(
        "suite.toml",
        b"[[test]]\nname = \"x\"\nkernel = \"k\"\nbios = \"none\"\n",
    );
    dir.write("victim", b"mine");
    for output in ["trace", "serial", "console", "junit"] {
        std::os::unix::fs::symlink(dir.path("victim"), dir.path(output)).unwrap();
    }
    dir.ends(
        "run --bios none --kernel k --trace trace --serial file=serial --console file=console",
        0,
    );
    dir.ends("test suite.toml --junit junit", 0);
    assert_eq!(std::fs::read(dir.path("victim")).unwrap(), b"mine");
    assert_eq!(std::fs::read(dir.path("serial")).unwrap(), b"hello\n");
    assert!(
        std::fs::read(dir.path("junit"))
            .unwrap()
            .starts_with(b"<?xml")
    );
    assert!(!std::fs::read(dir.path("trace")).unwrap().is_empty());
}

#[test]
fn trace_and_stats_tell_what_happened() {
    let dir = Dir::new();
    dir.kernel("k", greets("x"));
    let output = dir.run("run --bios none --kernel k --stats --trace t,what=instructions+mmio");
    let stats = String::from_utf8_lossy(&output.stderr);
    assert!(
        stats.contains("MIPS") && stats.contains("device register"),
        "{stats}"
    );
    let trace = std::fs::read_to_string(dir.path("t")).unwrap();
    assert!(trace.contains("mmio write 0x10000000"), "{trace}");
    assert!(trace.contains("hart=0 0x80000000 "), "{trace}");
}

#[test]
fn suite_runs_its_cases_and_reports_them() {
    let dir = Dir::new();
    dir.kernel("good", greets("ready\n"));
    dir.kernel("bad", exits(3));
    dir.write(
        "suite.toml",
        br#"
[defaults]
bios = "none"

[[test]]
name = "greets"
kernel = "good"
script = [{ expect = "^ready" }]

[[test]]
name = "ends with 3"
kernel = "bad"
exit = 3

[[test]]
name = "wrong code"
kernel = "bad"
"#,
    );
    let output = dir.ends("test suite.toml --jobs 2 --junit out.xml", 1);
    assert!(
        output.contains("2 passed, 1 failed, 0 broken, of 3"),
        "{output}"
    );
    assert!(output.contains("FAIL   wrong code"), "{output}");
    let junit = std::fs::read_to_string(dir.path("out.xml")).unwrap();
    assert!(junit.contains("failures=\"1\""), "{junit}");
    dir.ends("test suite.toml --filter greets", 0);
    let listed = dir.ends("test suite.toml --list --shard 1/2", 0);
    assert_eq!(listed, "greets\nwrong code\n");
    dir.write(
        "broken.toml",
        b"[[test]]\nname = \"x\"\nkernel = \"missing\"\n",
    );
    dir.ends("test broken.toml", 125);
}

#[test]
fn help_and_version_go_to_standard_output() {
    let dir = Dir::new();
    for line in [
        "--help",
        "run --help",
        "test --help",
        "--version",
        "completions bash",
    ] {
        assert!(!dir.ends(line, 0).is_empty());
    }
    assert!(dir.ends("run --help", 0).contains("128+N"));
}

/// 1 MiB, of which a quarter is not zero.
fn disk() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    for (at, byte) in bytes.iter_mut().take(300_000).enumerate() {
        *byte = (at / 7) as u8;
    }
    bytes
}

#[test]
fn image_in_chunks_is_made_checked_run_and_made_whole_again() {
    let dir = Dir::new();
    dir.kernel("K", devices());
    dir.write("disk.img", &disk());
    let said = dir.ends("image chunk disk.img -o out --chunk 128K", 0);
    let (manifest, identity) = said.split_once('\n').unwrap();
    assert_eq!(manifest, "manifest=out/manifest.txt");
    let identity = identity.trim_end().strip_prefix("identity=").unwrap();
    assert_eq!(identity.len(), 64);
    let checked = dir.ends("image verify out/manifest.txt", 0);
    assert_eq!(
        checked,
        format!("3 chunks are right, identity={identity}\n")
    );

    let run = "run --bios none --kernel K --block path=out/manifest.txt";
    dir.refused(run, &["out/manifest.txt", ",overlay=FILE", ",ro"]);
    for end in [
        ",ro",
        ",overlay=a.overlay",
        " --snapshot",
        ",format=chunks,ro",
    ] {
        dir.ends(&format!("{run}{end}"), 0);
    }
    let summary = dir.ends("image verify a.overlay", 0);
    assert_eq!(
        summary,
        format!("0 clusters of 65536 bytes, base={identity}\n")
    );
    dir.ends(
        "image export a.overlay --base out/manifest.txt -o whole.img",
        0,
    );
    assert!(std::fs::read(dir.path("whole.img")).unwrap() == disk());
    dir.ends(
        "image import disk.img --base out/manifest.txt -o b.overlay",
        0,
    );
    dir.ends(&format!("{run},overlay=b.overlay"), 0);
    // The image itself is another base than its manifest.
    dir.refused(
        "run --bios none --kernel K --block disk.img,overlay=a.overlay",
        &["overlay a.overlay", "another base", identity, "disk.img"],
    );
}

#[test]
fn damaged_images_in_chunks_and_overlays_are_named() {
    let dir = Dir::new();
    dir.write("disk.img", &disk());
    dir.ends(
        "image chunk disk.img -o out --chunk 128K --encoding none",
        0,
    );
    dir.ends("image import disk.img --base disk.img -o a.overlay", 0);
    let text = std::fs::read_to_string(dir.path("out/manifest.txt")).unwrap();
    let hash = text.lines().nth(4).unwrap();
    let chunk = format!("out/chunks/{}/{hash}", &hash[..2]);
    dir.write(&chunk, b"not this");
    let output = dir.run("image verify out/manifest.txt");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&chunk));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("1 of 3 chunks"), "{error}");

    dir.write("out/manifest.txt", text.replace("size", "Size").as_bytes());
    dir.refused(
        "image verify out/manifest.txt",
        &["out/manifest.txt", "line 2"],
    );
    dir.refused("image verify disk.img", &["disk.img", "neither"]);
    dir.refused("image verify none", &["none"]);
    dir.refused("image chunk none -o x", &["disk none"]);
    let overlay = dir.path("a.overlay");
    let mut bytes = std::fs::read(&overlay).unwrap();
    bytes[40] ^= 1;
    bytes[4096 + 40] ^= 1;
    std::fs::write(&overlay, bytes).unwrap();
    let output = dir.run("image verify a.overlay");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stdout).contains("header"));
    dir.refused(
        "image chunk disk.img -o y --chunk 100K",
        &["disk.img", "power of two"],
    );
    dir.refused(
        "image chunk disk.img -o y --at /etc/",
        &["disk.img", "folder"],
    );
    assert!(!dir.path("y").exists());
}

/// What a guest's clock shows at its start, and again after it has reset itself three seconds later:
/// nanoseconds since 1970.
fn dates_of_two_lives(options: &str) -> [u64; 2] {
    let dir = Dir::new();
    dir.kernel("k", tells_the_time(3_000_000_000));
    let line = "run --bios none --kernel k --expect ^[a-p]{16}$ --expect ^[a-p]{16}$ --timeout 60";
    let printed = dir.ends(&format!("{line} {options}"), 0);
    let digit = |date, digit| date << 4 | u64::from(digit - b'a');
    let dates = printed.lines().map(|line| line.bytes().fold(0, digit));
    let dates: Vec<u64> = dates.collect();
    dates.try_into().unwrap()
}

#[test]
fn guest_that_resets_itself_sees_the_hosts_date_again() {
    let host = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        since.as_nanos() as u64
    };
    let before = host();
    let [first, second] = dates_of_two_lives("--clock host");
    // A clock begins at a whole second.
    let tolerance = 1_000_000_000;
    assert!(first + tolerance > before && second < host());
    assert!(second > first + 1_500_000_000, "{first} {second}");
}

#[test]
fn guest_with_a_date_of_its_own_sees_that_again() {
    for date in dates_of_two_lives("--clock host --epoch 1000") {
        assert!((1000..1002).contains(&(date / 1_000_000_000)), "{date}");
    }
}
