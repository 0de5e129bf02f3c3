//! Watchpoints: every kind of access, and the address that was hit.

use super::*;

/// Floating-point unit on.
const FS_ON: u64 = 1 << 13;
const DATA: u64 = RAM_BASE + 0x3000;

/// What an instruction does to the bytes at `t1`.
struct Access {
    what: &'static str,
    op: Op,
    bytes: u64,
    reads: bool,
    writes: bool,
}

const fn access(what: &'static str, op: Op, bytes: u64, reads: bool, writes: bool) -> Access {
    Access {
        what,
        op,
        bytes,
        reads,
        writes,
    }
}

/// Those that need not be aligned come first.
const ACCESSES: [Access; 22] = [
    access("lb", Op::Lb, 1, true, false),
    access("lhu", Op::Lhu, 2, true, false),
    access("lw", Op::Lw, 4, true, false),
    access("ld", Op::Ld, 8, true, false),
    access("flw", Op::Flw, 4, true, false),
    access("fld", Op::Fld, 8, true, false),
    access("sb", Op::Sb, 1, false, true),
    access("sh", Op::Sh, 2, false, true),
    access("sw", Op::Sw, 4, false, true),
    access("sd", Op::Sd, 8, false, true),
    access("fsw", Op::Fsw, 4, false, true),
    access("fsd", Op::Fsd, 8, false, true),
    access("amoswap.w", Op::AmoswapW, 4, true, true),
    access("amoadd.w", Op::AmoaddW, 4, true, true),
    access("amoadd.d", Op::AmoaddD, 8, true, true),
    access("amomaxu.d", Op::AmomaxuD, 8, true, true),
    access("lr.w", Op::LrW, 4, true, false),
    access("lr.d", Op::LrD, 8, true, false),
    // Behind lr.d.
    access("sc.d", Op::ScD, 8, false, true),
    access("cbo.zero", Op::CboZero, 64, false, true),
    access("cbo.clean", Op::CboClean, 0, false, false),
    access("cbo.flush", Op::CboFlush, 0, false, false),
];
const MISALIGNED: usize = 12;

const KINDS: [WatchKind; 3] = [WatchKind::Read, WatchKind::Write, WatchKind::Access];

/// A machine whose next instruction accesses `at`.
fn before(access: &Access, at: u64) -> Machine {
    // The value and the result are in `t2` or `f7`.
    let (rd, rs2) = match access {
        Access {
            op: Op::CboZero | Op::CboClean | Op::CboFlush,
            ..
        } => (0, 0),
        Access { op: Op::ScD, .. } => (T0, T2),
        Access {
            reads: true,
            writes: true,
            ..
        } => (T2, T2),
        Access { reads: true, .. } => (T2, 0),
        _ => (0, T2),
    };
    let code = [
        inst(Op::LrD, T0, T1, 0, 0),
        inst(access.op, rd, T1, rs2, 0),
        inst(Op::Addi, T0, T0, 0, 1),
        forever(),
    ];
    let mut machine = bare(&code, 1);
    run(&mut machine, RESET_STEPS);
    machine.set_csr(0, MSTATUS, FS_ON).unwrap();
    machine
        .memory()
        .store(PhysAddr(at), 0x8070_6050_4030_2010_u64)
        .unwrap();
    machine.set_register(0, T1, at);
    machine.set_register(0, T2, 0x1122_3344_5566_7788);
    machine.set_float_register(0, T2, 0x1122_3344_5566_7788);
    if access.op == Op::ScD {
        run(&mut machine, 1);
    } else {
        machine.set_pc(0, RAM_BASE + 4);
    }
    machine
}

/// The access at `at`, with a watchpoint of `len` bytes at `watched`: whether it stops behind the
/// access, with `hit`, and does then what it does without.
fn stops(access: &Access, at: u64, watched: (u64, u64), kind: WatchKind, hit: Option<u64>) {
    let what = alloc::format!("{} at {at:#x}, {watched:x?} {kind:?}", access.what);
    let mut plain = before(access, at);
    let mut machine = before(access, at);
    machine
        .add_watchpoint(0, watched.0, watched.1, kind)
        .unwrap();
    let exit = run(&mut machine, 1);
    run(&mut plain, 1);
    let expected = match hit {
        None => Exit::Budget,
        Some(address) => Exit::Halted(Halt::Watchpoint {
            hart: 0,
            address,
            kind,
        }),
    };
    assert_eq!(exit, expected, "{what}");
    assert_eq!(pc(&machine, 0), RAM_BASE + 8, "{what}");
    assert_eq!(machine.digest(), plain.digest(), "{what}");
    assert_eq!(
        (run(&mut machine, 5), run(&mut plain, 5)),
        (Exit::Budget, Exit::Budget)
    );
    assert_eq!(machine.digest(), plain.digest(), "{what}");
}

fn sees(access: &Access, kind: WatchKind) -> bool {
    match kind {
        WatchKind::Read => access.reads,
        WatchKind::Write => access.writes,
        WatchKind::Access => access.reads || access.writes,
    }
}

#[test]
fn watchpoints_see_every_kind_of_access() {
    for access in &ACCESSES {
        for kind in KINDS {
            let hit = |at| (access.bytes > 0 && sees(access, kind)).then_some(at);
            // The last byte of it.
            let last = DATA + access.bytes.saturating_sub(1);
            stops(access, DATA, (last, 1), kind, hit(last));
            // All of it and more.
            stops(access, DATA, (DATA - 8, 80), kind, hit(DATA));
            // What is beside it, on either side.
            stops(access, DATA, (DATA - 1, 1), kind, None);
            stops(access, DATA, (DATA + access.bytes.max(8), 1), kind, None);
        }
    }
}

#[test]
fn watchpoints_see_misaligned_accesses_and_those_across_pages() {
    for access in ACCESSES
        .iter()
        .take(MISALIGNED)
        .filter(|access| access.bytes > 1)
    {
        for kind in KINDS {
            let hit = |at| sees(access, kind).then_some(at);
            for at in [DATA + 1, DATA + 7, DATA - 1] {
                let last = at + access.bytes - 1;
                stops(access, at, (at, 1), kind, hit(at));
                stops(access, at, (last, 1), kind, hit(last));
                // A watchpoint across the pages, hit from its middle on.
                stops(access, at, (at - 2, 16), kind, hit(at));
                stops(access, at, (at - 1, 1), kind, None);
                stops(access, at, (last + 1, 1), kind, None);
            }
        }
    }
}

#[test]
fn store_that_is_not_made_is_not_seen() {
    let mut machine = before(&access("sc.d", Op::ScD, 8, false, true), DATA);
    machine.harts[0].reservation = None;
    machine
        .add_watchpoint(0, DATA, 8, WatchKind::Access)
        .unwrap();
    assert_eq!(run(&mut machine, 1), Exit::Budget);
    assert_eq!(machine.x(0, T0), 1);
}

#[test]
fn watchpoint_stops_behind_the_access_that_it_looks_for() {
    let watched = RAM_BASE + 0x1008;
    for (kind, pc) in [(WatchKind::Write, 5), (WatchKind::Read, 6)] {
        let mut machine = machine(&counting(10), 1);
        machine.add_watchpoint(0, watched, 8, kind).unwrap();
        let halt = Halt::Watchpoint {
            hart: 0,
            address: watched,
            kind,
        };
        assert_eq!(run(&mut machine, 1000), Exit::Halted(halt));
        assert_eq!(super::pc(&machine, 0), RAM_BASE + 4 * pc);
        assert!(machine.remove_watchpoint(watched, 8, kind));
        assert!(!machine.remove_watchpoint(watched, 8, kind));
        assert_eq!(run(&mut machine, 1000), Exit::PowerOff { code: 0 });
    }
}

#[test]
fn watchpoint_sees_what_was_accessed_before_it_was_set() {
    let watched = RAM_BASE + 0x1008;
    for kind in KINDS {
        let mut machine = machine(&counting(10), 1);
        // Some rounds, which leave shortcuts to the page.
        assert_eq!(run(&mut machine, 25), Exit::Budget);
        machine.add_watchpoint(0, watched, 8, kind).unwrap();
        let exit = run(&mut machine, 1000);
        assert!(
            matches!(exit, Exit::Halted(Halt::Watchpoint { kind: met, .. }) if met == kind),
            "{kind:?}: {exit:?}"
        );
    }
}

#[test]
fn watchpoints_of_one_page_go_one_by_one() {
    let watched = RAM_BASE + 0x1008;
    let mut machine = machine(&counting(10), 1);
    let (write, access) = (WatchKind::Write, WatchKind::Access);
    machine.add_watchpoint(0, watched, 8, write).unwrap();
    machine.add_watchpoint(0, watched, 8, write).unwrap();
    // This one reaches into the next page too.
    machine
        .add_watchpoint(0, watched + 8, 4096, access)
        .unwrap();
    assert!(machine.remove_watchpoint(watched + 8, 4096, access));
    assert!(matches!(
        run(&mut machine, 1000),
        Exit::Halted(Halt::Watchpoint { .. })
    ));
    assert!(machine.remove_watchpoint(watched, 8, write));
    assert_eq!(run(&mut machine, 1000), Exit::PowerOff { code: 0 });
}

#[test]
fn watchpoints_are_in_ram_and_bounded() {
    let mut machine = bare(&[forever()], 1);
    let end = RAM_BASE + (1 << 20);
    for (at, len) in [
        (0x1000_0000, 4),
        (end - 4, 8),
        (RAM_BASE, 0),
        (RAM_BASE, u64::MAX),
        (u64::MAX, 8),
        (RAM_BASE, 64 * 4096 + 1),
    ] {
        assert_eq!(
            machine.add_watchpoint(0, at, len, WatchKind::Read),
            None,
            "{at:#x} {len}"
        );
    }
    let mut added = 0;
    while machine
        .add_watchpoint(0, RAM_BASE + added, 1, WatchKind::Read)
        .is_some()
    {
        added += 1;
    }
    assert_eq!(added, 1024);
}
