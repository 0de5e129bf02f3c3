//! Which CSR accesses, fences and returns are legal below machine mode, and what they change.

use virtarium_machine::cpu::{Exception, Hart, Illegal, IsaConfig, Privilege, status};
use virtarium_tests::random;

use super::{CX, cases, oracle, some, write};

/// The CSRs that the guest shows after each case, in its order: sepc, sscratch, senvcfg, stvec,
/// scause, stval, fcsr, mie, stimecmp, satp.
const SHOWN: [u16; 10] = [
    0x141, 0x140, 0x10a, 0x105, 0x142, 0x143, 0x003, 0x304, 0x14d, 0x180,
];

/// The counters that user mode sees.
const COUNTERS: std::ops::Range<u64> = 0xc00..0xc20;

/// The instructions of kind 2: what each does, and its encoding.
type Other = fn(&mut Hart) -> Result<(), Illegal>;
const OTHERS: [(Other, u64); 6] = [
    (
        |hart| next(hart.sfence_vma(None, None).is_ok(), hart),
        0x1200_0073,
    ),
    (
        |hart| next(hart.sinval_vma(None, None).is_ok(), hart),
        0x1600_0073,
    ),
    (|hart| next(hart.sfence_inval().is_ok(), hart), 0x1800_0073),
    (|hart| next(hart.sfence_inval().is_ok(), hart), 0x1810_0073),
    (|hart| hart.sret().map(drop), 0x1020_0073),
    (|hart| hart.mret().map(drop), 0x3020_0073),
];

fn next(legal: bool, hart: &mut Hart) -> Result<(), Illegal> {
    hart.pc += 4;
    if legal { Ok(()) } else { Err(Illegal) }
}

/// What follows the case's instruction in the guest: ECALL, in machine mode's handler at once.
fn call(hart: &mut Hart) {
    if hart.privilege != Privilege::Machine {
        let ecall = Exception::environment_call(hart.privilege);
        let _ = hart.enter_trap(ecall.into(), 0);
    }
}

/// Carries a case out, and returns mcause, mtval, mstatus and a0 in the end.
fn attempt(hart: &mut Hart, kind: u64, which: u64, value: u64) -> Vec<u64> {
    let pc = hart.pc;
    let mut a0 = pc;
    let (result, bits) = match kind {
        0 => {
            let read = hart.csr_read(which as u16, &CX);
            let read = read.map(|value| a0 = value);
            (read, 0x2573 | which << 20)
        }
        1 => {
            let written = hart.csr_write(which as u16, value, &CX);
            (written.map(drop), 0x5_9073 | which << 20)
        }
        _ => match OTHERS.get(which as usize) {
            Some((other, bits)) => (other(hart), *bits),
            None => {
                let _ = hart.enter_trap(Exception::Breakpoint.into(), pc);
                (Ok(()), 0)
            }
        },
    };
    if result.is_err() {
        hart.pc = pc;
        let _ = hart.enter_trap(Exception::IllegalInstruction.into(), bits);
    }
    call(hart);
    let mstatus = hart.csr_read(0x300, &CX).expect("in machine mode");
    vec![hart.csr.mcause, hart.csr.mtval, mstatus, a0]
}

#[test]
fn privileges_end_where_qemu_ends_them() {
    if !oracle::is_here("privileges_end_where_qemu_ends_them") {
        return;
    }
    let seed = random::seed("privileges against QEMU");
    let (mut legal, mut illegal, mut wrong) = (0u64, 0u64, Vec::new());
    for line in oracle::run("legality", seed, cases()) {
        let (case, theirs) = line.split_at(10);
        let [
            kind,
            which,
            pc,
            mcounteren,
            scounteren,
            menvcfg,
            mideleg,
            mstatus,
            value,
            sepc,
        ] = *case
        else {
            panic!("a short line: {line:x?}");
        };
        let mut hart = Hart::new(0, &IsaConfig::default());
        for (csr, value) in [
            (0x306, mcounteren),
            (0x106, scounteren),
            (0x30a, menvcfg),
            (0x303, mideleg),
            (0x141, sepc),
            (0x300, mstatus),
            (0x341, pc),
        ] {
            write(&mut hart, csr, value);
        }
        hart.mret().map(drop).expect("in machine mode");
        let mut ours = attempt(&mut hart, kind, which, value);
        hart.csr.mstatus |= status::FS;
        ours.extend(SHOWN.map(|csr| hart.csr_read(csr, &CX).expect("in machine mode")));
        let mut theirs = theirs.to_vec();
        let refused = hart.csr.mcause == Exception::IllegalInstruction as u64;
        if refused && kind == 2 {
            theirs[1] = ours[1];
        }
        if !refused && kind == 0 && COUNTERS.contains(&which) {
            theirs[3] = ours[3];
        }
        *if refused { &mut illegal } else { &mut legal } += 1;
        if ours != theirs {
            wrong.push(format!("{case:x?}: ends in {theirs:x?}, here in {ours:x?}"));
        }
    }
    println!("{legal} legal, {illegal} illegal");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        some(&wrong)
    );
    assert!(legal > 0 && illegal > 0);
}
