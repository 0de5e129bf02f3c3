//! The server for gdb with a real gdb at the other end.

mod kernels;
mod served;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernels::Kernel;
use served::{PATIENCE, Server};
use virtarium_machine::isa::{Inst, Op, encode};
use virtarium_tests::notes::have;

const GDB: &str = "gdb-multiarch";

const T0: u8 = 5;
const T1: u8 = 6;
const T2: u8 = 7;
const S0: u8 = 8;

fn inst(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> u32 {
    encode(&Inst::new(op, rd, rs1, rs2, imm)).unwrap()
}

/// Has gdb step by breakpoints of its own on what may come next.
const BY_BREAKPOINTS: &str = "set osabi GNU/Linux";

fn start(server: &Server, commands: &[&str], out: Stdio) -> Child {
    let mut gdb = Command::new(GDB);
    gdb.args(["-nx", "-q", "-batch", "-ex", "set confirm off"]);
    // Its default is Linux, which cannot step on RISC-V: see `BY_BREAKPOINTS`.
    gdb.args(["-ex", "set osabi none"]);
    gdb.args(["-ex", &format!("target remote 127.0.0.1:{}", server.port)]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    gdb.stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// What gdb prints when it is attached and given these commands.
fn gdb(server: &Server, commands: &[&str]) -> String {
    let mut child = start(server, commands, Stdio::piped());
    let start = Instant::now();
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut out).unwrap());
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > 2 * PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("gdb does not end; it has said: {}", reader.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = reader.join().unwrap();
    println!("{said}");
    said
}

#[track_caller]
fn expect(said: &str, lines: &[&str]) {
    let mut rest = said;
    for line in lines {
        let at = rest
            .find(line)
            .unwrap_or_else(|| panic!("{line:?} is not in {rest}"));
        rest = &rest[at + line.len()..];
    }
}

/// Prints the thread and where it is.
const WHERE: &str = "printf \"thread %d at %#lx\\n\", $_thread, $pc";
/// Prints `t3`, as the kernel [`kernels::counts`] has it, and `mhartid`.
const COUNT: &str = "printf \"hart %d counted %ld\\n\", $mhartid, $t3";

#[test]
fn harts_are_threads() {
    if !have(GDB, "harts_are_threads") {
        return;
    }
    let server = Server::start(kernels::counts(), &["--cpus", "3"]);
    let commands = [
        "info threads",
        // Hart 2 alone, and then hart 1.
        "set scheduler-locking on",
        "thread 3",
        "break *0x80000004",
        "continue",
        WHERE,
        COUNT,
        "delete",
        "thread 2",
        "stepi",
        "stepi",
        WHERE,
        "thread 3",
        WHERE,
        COUNT,
        // With the others: hart 2 has had the rest of its turn when hart 0's comes.
        "set scheduler-locking off",
        "thread 1",
        "stepi",
        WHERE,
        "thread 3",
        "printf \"went on: %d\\n\", $t3 > 1",
        "set var $t3 = 1234",
        "thread 2",
        "thread 3",
        COUNT,
        "p $priv",
        "detach",
    ];
    let said = gdb(&server, &commands);
    let expected = [
        "hart 0, Machine mode, running",
        "hart 1, Machine mode, running",
        "hart 2, Machine mode, running",
        "Thread 3 hit Breakpoint 1, 0x0000000080000004 in ?? ()",
        "thread 3 at 0x80000004",
        "hart 2 counted 1",
        "Switching to thread 2",
        "thread 2 at 0x",
        "Switching to thread 3",
        "thread 3 at 0x80000004",
        "hart 2 counted 1",
        "thread 1 at 0x",
        "went on: 1",
        "hart 2 counted 1234",
        "$1 = 3",
        "detached",
    ];
    expect(&said, &expected);
}

#[test]
fn registers_of_every_kind_are_read_and_written() {
    if !have(GDB, "registers_of_every_kind_are_read_and_written") {
        return;
    }
    let server = Server::start(kernels::spins(), &[]);
    let commands = [
        "x/2i $pc",
        "set var $mepc = 0x1236",
        "p/x $mepc",
        "set var $ft0 = 1.5",
        "p $ft0",
        "set var $fcsr = 0x65",
        "p/x $frm",
        "p $fflags",
        "p/x $misa & 0xff",
        "set var *(int *) 0x80003000 = 77",
        "find 0x80002000, +0x2000, (int) 77",
        "monitor help",
        "p *(int *) 0x10000000",
    ];
    let expected = [
        "0x1000:\tauipc\tt0,0x0",
        "$1 = 0x1236",
        "$2 = {float = 0, double = 1.5}",
        "$3 = 0x3",
        "$4 = 5",
        "$5 = 0x2f",
        "0x80003000",
        "1 pattern found",
    ];
    let said = gdb(&server, &commands);
    expect(&said, &expected);
    assert!(!said.contains("$6"), "a device is not read");
}

/// amoadd.w t3, t1, (t2) for ever, with t2 = 0x80002000.
fn adds(value: i32) -> Kernel {
    Kernel::of(vec![
        inst(Op::Auipc, T2, 0, 0, 0x2000),
        inst(Op::Addi, T1, 0, 0, value),
        inst(Op::AmoaddW, 28, T2, T1, 0),
        inst(Op::Jal, 0, 0, 0, -4),
    ])
}

#[test]
fn watchpoints_are_gdbs_hardware_watchpoints() {
    if !have(GDB, "watchpoints_are_gdbs_hardware_watchpoints") {
        return;
    }
    // gdb leaves out a read of what was changed, so this one changes nothing.
    let server = Server::start(adds(0), &[]);
    let said = gdb(&server, &["rwatch *(int *) 0x80002000", "continue", WHERE]);
    let hit = "Hardware read watchpoint 1: *(int *) 0x80002000";
    expect(&said, &[hit, hit, "Value = 0", "thread 1 at 0x8000000c"]);
    let server = Server::start(adds(1), &[]);
    let commands = [
        "watch *(int *) 0x80002000",
        "continue",
        WHERE,
        "continue",
        "delete",
        "awatch *(char *) 0x80002000",
        "continue",
        WHERE,
        "delete",
        // In the reset ROM, where gdb cannot write.
        "set var $pc = 0x1000",
        "hbreak *0x1008",
        "continue",
        WHERE,
    ];
    let expected = [
        "Hardware watchpoint 1: *(int *) 0x80002000",
        "Old value = 0",
        "New value = 1",
        "thread 1 at 0x8000000c",
        "Old value = 1",
        "New value = 2",
        "Hardware access (read/write) watchpoint 2: *(char *) 0x80002000",
        "New value = 3",
        "thread 1 at 0x8000000c",
        "Breakpoint 3, 0x0000000000001008",
        "thread 1 at 0x1008",
    ];
    expect(&gdb(&server, &commands), &expected);
}

/// Where the handler of [`ticks`] is.
const HANDLER: &str = "*0x80000100";
/// In the middle of its loop.
const LOOP: &str = "*0x80000020";

/// Counts in memory, and is interrupted by its timer every 20 ticks.
fn ticks() -> Kernel {
    let mut words = vec![
        inst(Op::Auipc, S0, 0, 0, 0x2000),
        inst(Op::Auipc, T0, 0, 0, 0),
        inst(Op::Addi, T0, T0, 0, 0x100 - 4),
        inst(Op::Csrrw, 0, T0, 0, 0x305),
        inst(Op::Addi, T0, 0, 0, 0x80),
        inst(Op::Csrrw, 0, T0, 0, 0x304),
        inst(Op::Csrrsi, 0, 8, 0, 0x300),
        // The loop.
        inst(Op::Addi, T1, T1, 0, 1),
        inst(Op::AmoaddD, T2, S0, T1, 0),
        inst(Op::Sd, 0, S0, T2, 8),
        inst(Op::Ld, T2, S0, 0, 8),
        inst(Op::Jal, 0, 0, 0, -16),
    ];
    words.resize(0x100 / 4, 0);
    words.extend([
        inst(Op::Csrrs, 21, 0, 0, 0xf14),
        inst(Op::Slli, 21, 21, 0, 3),
        inst(Op::Lui, 22, 0, 0, 0x200_4000),
        inst(Op::Add, 22, 22, 21, 0),
        inst(Op::Lui, 23, 0, 0, 0x200_c000),
        inst(Op::Ld, 23, 23, 0, -8),
        inst(Op::Addi, 23, 23, 0, 20),
        inst(Op::Sd, 0, 22, 23, 0),
        inst(Op::Mret, 0, 0, 0, 0),
    ]);
    // The first interrupt: mtimecmp = 0.
    let arm = [
        inst(Op::Csrrs, 21, 0, 0, 0xf14),
        inst(Op::Slli, 21, 21, 0, 3),
        inst(Op::Lui, 22, 0, 0, 0x200_4000),
        inst(Op::Add, 22, 22, 21, 0),
        inst(Op::Sd, 0, 22, 0, 0),
        inst(Op::Jal, 0, 0, 0, -(0x180 + 20)),
    ];
    words.resize(0x180 / 4, 0);
    words.extend(arm);
    Kernel::of(words)
}

/// The digests that a run of [`ticks`] prints, under gdb or not.
fn digests(harts: &str, commands: &[&str]) -> String {
    let options = [
        "--cpus",
        harts,
        "--clock",
        "deterministic",
        "--digest-every",
        "20000",
    ];
    let limit = ["--max-instructions", "400000"];
    let mut server = Server::start(ticks(), &[options.as_slice(), &limit].concat());
    // The end of the kernel arms the timer, and goes on at its start.
    let mut all = vec!["set var $pc = 0x80000180"];
    all.extend_from_slice(commands);
    all.push("detach");
    let said = gdb(&server, &all);
    assert!(said.contains("detached"), "{said}");
    assert_eq!(server.wait().code(), Some(124));
    let lines: Vec<String> = server
        .said()
        .lines()
        .filter(|line| line.contains("digest "))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 20);
    lines.join("\n")
}

#[test]
fn guest_under_gdb_comes_to_the_same_digests() {
    if !have(GDB, "guest_under_gdb_comes_to_the_same_digests") {
        return;
    }
    for (harts, osabi) in [
        ("1", "set osabi none"),
        ("2", "set osabi none"),
        ("1", BY_BREAKPOINTS),
    ] {
        let commands = [
            osabi,
            &format!("break {HANDLER}"),
            "continue",
            "stepi 12",
            "continue",
            "info registers",
            "x/8i $pc",
            &format!("break {LOOP}"),
            "ignore 2 40",
            "continue",
            WHERE,
            "stepi 30",
            "delete",
            "watch *(long *) 0x80002008",
            "continue",
            "continue",
            "stepi 3",
            "continue",
            "delete",
            "awatch *(long *) 0x80002000",
            "continue",
            "continue",
            "x/4gx 0x80002000",
            "delete",
            &format!("tbreak {HANDLER}"),
            "continue",
            WHERE,
        ];
        assert_eq!(
            digests(harts, &commands),
            digests(harts, &[]),
            "{harts} {osabi}"
        );
    }
}

#[test]
fn another_gdb_attaches_after_one_that_was_killed() {
    if !have(GDB, "another_gdb_attaches_after_one_that_was_killed") {
        return;
    }
    let server = Server::start(kernels::counts(), &["--cpus", "2"]);
    let commands = [
        "break *0x80000000",
        "watch *(int *) 0x80002000",
        "delete 1",
        "continue",
    ];
    let mut first = start(&server, &commands, Stdio::null());
    // Long enough for it to be somewhere in there, wherever that is.
    std::thread::sleep(Duration::from_millis(1500));
    first.kill().unwrap();
    first.wait().unwrap();
    let counted = |said: &str| {
        let (_, rest) = said.split_once("counted ").unwrap();
        rest.trim().lines().next().unwrap().parse::<u64>().unwrap()
    };
    let once = gdb(&server, &[COUNT, "detach"]);
    std::thread::sleep(Duration::from_millis(100));
    let again = gdb(&server, &[COUNT, "kill"]);
    assert!(counted(&once) < counted(&again), "it went on in between");
}
