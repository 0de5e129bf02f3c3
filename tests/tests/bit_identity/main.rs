//! Bit-identity: a machine's state at an instruction count is the same natively and in wasm, in
//! slices of any length, with caches dropped at any time, under a host that takes its time, and with
//! a disk that comes in chunks.
//!
//! `VIRTARIUM_SEED` repeats a run. With `VIRTARIUM_SOAK=1` the kernel runs to the end of a script
//! that uses the disk, and programs are drawn by the hundred. Debian's kernel comes from the cache
//! of images, which is filled if need be.

mod command;
mod compare;
mod kernel;
mod module;
mod schedule;
mod stream;

use compare::compare;
use virtarium_machine::cpu::Exception;
use virtarium_tests::programs::compute::{self, Mix};
use virtarium_tests::programs::disk;
use virtarium_tests::programs::paging::{self, Scheme};
use virtarium_tests::random::{Rng, seed, soak};
use virtarium_tests_wasm::{Case, End, Session};

/// More than any of the programs takes.
const LIMIT: u64 = 50_000_000;

/// One of each kind of program, for one to three harts.
fn programs(seed: u64) -> Vec<(String, Case)> {
    let mut rng = Rng::new(seed);
    let mut cases = Vec::new();
    for harts in 1..=3 {
        for (name, float, changes_itself) in [
            ("integers", false, false),
            ("floating point", true, false),
            ("changes itself", false, true),
        ] {
            let mix = Mix {
                float,
                changes_itself,
            };
            let case = compute::case(rng.next(), harts, 300, mix);
            cases.push((format!("{name}, {harts} harts"), case));
        }
        let scheme = [Scheme::Sv39, Scheme::Sv48, Scheme::Sv57][harts - 1];
        let case = paging::case(rng.next(), harts, 1000, scheme);
        cases.push((format!("{scheme:?}, {harts} harts"), case));
    }
    cases.push((String::from("disk"), disk::case(rng.next(), 300)));
    let contended = disk::contended(rng.next(), 300);
    cases.push((String::from("disk, contended"), contended));
    cases
}

fn repeats() -> u64 {
    if soak() { 50 } else { 1 }
}

#[test]
fn programs_come_to_the_same_state_in_wasm() {
    let seed = seed("programs in wasm");
    for round in 0..repeats() {
        for (name, case) in programs(Rng::case(seed, round).next()) {
            let (last, _) = compare(&name, [&case; 2], 250_000, LIMIT).unwrap();
            assert_eq!(last.end, End::Off(0), "{name}");
        }
    }
}

#[test]
fn programs_do_not_notice_how_they_are_run() {
    let seed = seed("schedules");
    for round in 0..repeats() {
        let seed = Rng::case(seed, round).next();
        for (name, case) in programs(seed) {
            let met = schedule::check(&name, &case, seed, 100_000, LIMIT, 14);
            assert!(met.drops > 0 && met.slices > 50, "{name}: {met:?}");
            if name.starts_with("disk") {
                assert!(met.late > 500 && met.waits > 100, "{met:?}");
            }
        }
    }
}

#[test]
fn programs_do_what_they_are_for() {
    for (name, case) in programs(seed("programs")) {
        let mut session = Session::new(&case).unwrap();
        assert_eq!(session.run_to(LIMIT), End::Off(0), "{name}");
        let statistics = session.machine.statistics();
        let trapped = |exception: Exception| statistics.exceptions[exception as usize] > 0;
        if name.starts_with("disk") {
            // Of those of a device that is reset none is completed.
            let at_least = if name == "disk" { 4 * 300 } else { 3 * 300 };
            assert!(statistics.completions >= at_least, "{name}");
            let fresh = virtarium_tests_wasm::MemoryHost::new(case.disk);
            assert!(session.host.disk != fresh.disk, "nothing was written");
            continue;
        }
        assert!(statistics.interrupts[7] > 10, "{name}: timer interrupts");
        if name.starts_with("floating") {
            assert!(
                trapped(Exception::IllegalInstruction),
                "{name}: reserved modes"
            );
        }
        if name.starts_with("Sv") {
            for exception in [
                Exception::LoadPageFault,
                Exception::StorePageFault,
                Exception::InstructionPageFault,
            ] {
                assert!(trapped(exception), "{name}: {exception:?}");
            }
        }
    }
}

#[test]
fn a_difference_is_found_where_it_begins() {
    let case = disk::case(1, 20);
    let mut other = case.clone();
    // The disk's first completions come later.
    other.config.latency.base.0 += 1;
    let Err(report) = compare("different", [&case, &other], 10_000, LIMIT) else {
        panic!("two different machines pass for equal");
    };
    assert!(report.contains("different first at"), "{report}");
}
