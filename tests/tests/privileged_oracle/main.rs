//! Translation, physical memory protection and privilege against QEMU: programs in `guest/oracle`
//! draw random page tables, PMP entries and CSRs, make accesses, and print what became of them;
//! the same cases are put to a hart here.
//!
//! Needs `qemu-system-riscv64` (10 or later) and `riscv64-linux-gnu-gcc`, and is skipped, with
//! a note, where one is missing; `VIRTARIUM_PRIVILEGED_CASES` sets the number of cases (2,000; 100,000 with
//! `VIRTARIUM_SOAK=1`), `VIRTARIUM_SEED` repeats a run.

mod legality;
mod oracle;

use virtarium_machine::arena::{Arena, Heap, Ram};
use virtarium_machine::cpu::{CsrContext, Hart, IsaConfig, Privilege, status};
use virtarium_machine::mem::RAM_BASE;
use virtarium_machine::mmu::Access;
use virtarium_tests::random;

/// `mcause` where the access completed.
const NO_TRAP: u64 = 0xff;
/// A fetch that succeeds ends so: the targets hold no instructions.
const ILLEGAL: u64 = 2;
const CX: CsrContext = CsrContext {
    time: 0,
    instret: 0,
};

fn cases() -> u64 {
    random::setting("VIRTARIUM_PRIVILEGED_CASES").unwrap_or(if random::soak() {
        100_000
    } else {
        2_000
    })
}

fn write(hart: &mut Hart, csr: u16, value: u64) {
    let _ = hart
        .csr_write(csr, value, &CX)
        .expect("machine mode may write it");
}

fn access_of(kind: u64) -> Access {
    [Access::Fetch, Access::Load, Access::Store][kind as usize]
}

/// A hart as the guest's access functions leave it: data accesses in machine mode with MPRV,
/// fetches at the privilege in MPP.
fn lend(hart: &mut Hart, bits: u64, access: Access) {
    hart.csr.mstatus = bits;
    if access == Access::Fetch {
        let mpp = (bits & status::MPP) >> status::MPP_SHIFT;
        hart.privilege = Privilege::from_bits(mpp).expect("U or S");
    } else {
        hart.privilege = Privilege::Machine;
        hart.csr.mstatus |= status::MPRV;
    }
}

/// How the access ended in the guest: the exception's code, if there was one.
fn ended(access: Access, cause: u64) -> Option<u64> {
    let done = if access == Access::Fetch {
        ILLEGAL
    } else {
        NO_TRAP
    };
    (cause != done).then_some(cause)
}

/// The places of `guest/oracle/oracle.h` and `translation.c`.
const TARGET: u64 = 0x8080_0000;
const TARGET_PAGES: u64 = 64;
const TABLES: u64 = 0x8040_0000;

fn fill_target(ram: Ram<'_>) {
    for page in 0..TARGET_PAGES {
        let at = TARGET + page * 4096;
        ram.store(at + 8 - RAM_BASE, at).expect("in RAM");
    }
}

#[test]
fn page_tables_mean_what_qemu_reads_in_them() {
    if !oracle::is_here("page_tables_mean_what_qemu_reads_in_them") {
        return;
    }
    let seed = random::seed("page tables against QEMU");
    let size = 16 << 20;
    let mut arena = Arena::new(Heap::for_ram(size).unwrap(), size).unwrap();
    let ram = arena.ram();
    fill_target(ram);
    let (mut translated, mut faulted, mut wrong) = (0u64, 0u64, Vec::new());
    for line in oracle::run("translation", seed, cases()) {
        let [mode, level, va, menvcfg, bits, chain @ ..] = &line[..] else {
            panic!("a short line: {line:x?}");
        };
        let (chain, accesses) = chain.split_at(5);
        let at = |level: u64| TABLES + level * 4096 + (va >> (12 + 9 * level) & 0x1ff) * 8;
        for (level, entry) in (0..).zip(chain) {
            ram.store(at(level) - RAM_BASE, *entry).expect("in RAM");
        }
        let leaf = || ram.load::<u64>(at(*level) - RAM_BASE).expect("in RAM");
        let mut hart = Hart::new(0, &IsaConfig::default());
        write(&mut hart, 0x3b0, u64::MAX);
        write(&mut hart, 0x3a0, 0x1f);
        write(&mut hart, 0x30a, *menvcfg);
        let root = (TABLES + (mode - 6) * 4096) >> 12;
        write(&mut hart, 0x180, mode << 60 | root);
        for case in accesses.chunks_exact(4) {
            let (access, loaded) = (access_of(case[0]), case[2]);
            lend(&mut hart, *bits, access);
            let offset = [16, 8, 24][case[0] as usize];
            let result = hart.translate(va.wrapping_add(offset), access, ram);
            let value = match (access, result) {
                (Access::Load, Ok(there)) => ram.load(there.pa - RAM_BASE).unwrap_or(u64::MAX),
                _ => 0,
            };
            let cause = result.err().map(|exception| exception as u64);
            if (cause, value, leaf()) != (ended(access, case[1]), loaded, case[3]) {
                let ours = leaf();
                wrong.push(format!(
                    "{line:x?}: {access:?} gives {result:x?}, {ours:#x}"
                ));
            }
            *if cause.is_none() {
                &mut translated
            } else {
                &mut faulted
            } += 1;
        }
        for level in 0..5 {
            ram.store(at(level) - RAM_BASE, 0u64).expect("in RAM");
        }
    }
    println!("{translated} translated, {faulted} faulted");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        some(&wrong)
    );
    assert!(translated > 0 && faulted > 0);
}

#[test]
fn pmp_entries_allow_what_qemu_lets_through() {
    if !oracle::is_here("pmp_entries_allow_what_qemu_lets_through") {
        return;
    }
    let seed = random::seed("PMP against QEMU");
    let (mut allowed, mut refused, mut unjudged, mut wrong) = (0u64, 0u64, 0u64, Vec::new());
    for line in oracle::run("protection", seed, cases()) {
        let mut hart = Hart::new(0, &IsaConfig::default());
        let (registers, accesses) = line.split_at(18);
        for (number, address) in (0x3b0..).zip(&registers[..16]) {
            write(&mut hart, number, *address);
        }
        write(&mut hart, 0x3a0, registers[16]);
        write(&mut hart, 0x3a2, registers[17]);
        for case in accesses.chunks_exact(5) {
            let [kind, at, size, bits, cause] = *case else {
                unreachable!("chunks of five");
            };
            let access = access_of(kind);
            lend(&mut hart, bits, access);
            let theirs = ended(access, cause).is_none();
            if has_region_inside(registers, at, size) {
                // QEMU matches the first and the last byte of an access, and so does not see a
                // region between them. Whichever entry decides, it must match every byte:
                // `lowest_entry_decides_and_must_match_every_byte` in the machine judges that.
                unjudged += 1;
                continue;
            }
            if hart.pmp_allows(at, size, access) != theirs {
                wrong.push(format!("{registers:x?}: {access:?} {case:x?}"));
            }
            // What is said of a page holds for each access in it.
            if hart.pmp_page_uniform(at, access) && !theirs {
                wrong.push(format!("{registers:x?}: {access:?} {case:x?} by its page"));
            }
            *if theirs { &mut allowed } else { &mut refused } += 1;
        }
    }
    println!("{allowed} allowed, {refused} refused, {unjudged} not for QEMU to judge");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        some(&wrong)
    );
    assert!(allowed > 0 && refused > 0 && unjudged < (allowed + refused) / 100);
}

/// Whether the region of an entry lies between the first and the last byte of an access:
/// `registers` are sixteen addresses and two words of configuration (privileged ISA, 3.7.1).
fn has_region_inside(registers: &[u64], at: u64, size: u64) -> bool {
    (0..16).any(|entry| {
        let config = registers[16 + entry / 8] >> (8 * (entry % 8)) & 0xff;
        let address = registers[entry] << 2;
        let region = match config >> 3 & 3 {
            // TOR: from the entry before.
            1 => {
                entry
                    .checked_sub(1)
                    .map_or(0, |before| registers[before] << 2)..address
            }
            // NA4. NAPOT has eight bytes or more.
            2 => address..address + 4,
            _ => return false,
        };
        at < region.start && region.start < region.end && region.end < at + size
    })
}

fn some(lines: &[String]) -> String {
    lines[..lines.len().min(10)].join("\n")
}
