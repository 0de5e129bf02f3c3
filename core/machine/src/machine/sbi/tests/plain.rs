//! Base, unknown calls, firmware features.

use super::*;
use crate::cpu::AdUpdate;
use crate::machine::testing::build;

#[test]
fn base_tells_version_and_implementation() {
    let machine = &mut caller(1);
    assert_eq!(call(machine, 0, (BASE, 0), &[]), (0, 3 << 24));
    let (error, implementation) = call(machine, 0, (BASE, 1), &[]);
    assert_eq!(error, 0);
    // 4.8: 0 to 13 are registered to others.
    assert!(implementation > 13);
    assert_eq!(call(machine, 0, (BASE, 2), &[]).0, 0);
    for function in 4..=6 {
        assert_eq!(call(machine, 0, (BASE, function), &[]), (0, 0));
    }
    assert_eq!(error_of(machine, (BASE, 7)), NOT_SUPPORTED);
}

fn error_of(machine: &mut Machine, which: (u64, u64)) -> i64 {
    error(machine, 0, which, &[])
}

#[test]
fn probe_knows_what_there_is() {
    let machine = &mut caller(1);
    for there in [
        BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, SUSP, FWFT, 0, 1, 2, 3, 8,
    ] {
        let (error, value) = call(machine, 0, (BASE, 3), &[there]);
        assert_eq!((error, value != 0), (0, true), "{there:#x}");
    }
    // PMU, STA, SSE, DBTR, CPPC, NACL, MPXY, legacy remote calls, and nothing at all.
    for missing in [
        0x50_4d55,
        0x53_5441,
        0x53_5345,
        0x4442_5452,
        0x4350_5043,
        0x4e41_434c,
        0x4d50_5859,
        4,
        5,
        6,
        7,
        9,
        0xf,
        0x11,
        0xffff_ffff,
    ] {
        assert_eq!(
            call(machine, 0, (BASE, 3), &[missing]),
            (0, 0),
            "{missing:#x}"
        );
    }
}

#[test]
fn unknown_extensions_and_functions_are_not_supported() {
    let machine = &mut caller(1);
    for extension in [
        0x50_4d55,
        0x53_5441,
        0x53_5345,
        0x4442_5452,
        0x4350_5043,
        0x4e41_434c,
        0x4d50_5859,
        0x11,
        0x0a00_0000,
        0x7fff_ffff,
        0x8000_0000,
        u64::MAX,
    ] {
        assert_eq!(
            error_of(machine, (extension, 0)),
            NOT_SUPPORTED,
            "{extension:#x}"
        );
    }
    for (extension, function) in [
        (TIME, 1),
        (IPI, 1),
        (RFENCE, 7),
        (HSM, 4),
        (SRST, 1),
        (DBCN, 3),
        (SUSP, 1),
        (FWFT, 2),
    ] {
        for function in [function, 0x7fff_ffff, 0xffff_ffff, u64::MAX] {
            let which = (extension, function);
            assert_eq!(error_of(machine, which), NOT_SUPPORTED, "{which:x?}");
        }
    }
}

#[test]
fn identifiers_are_32_bits_wide() {
    let machine = &mut caller(1);
    // 3: signed 32-bit, whatever the upper half holds.
    for upper in [0xffff_ffff_0000_0000, 0xdead_beef_0000_0000] {
        assert_eq!(call(machine, 0, (upper | BASE, upper), &[]), (0, 3 << 24));
        assert_eq!(call(machine, 0, (BASE, 3), &[upper | TIME]), (0, 1));
    }
}

const MISALIGNED: u64 = 0;
const AD_UPDATING: u64 = 4;

#[test]
fn features_are_set_and_read_back() {
    let machine = &mut caller(1);
    assert_eq!(call(machine, 0, (FWFT, 1), &[MISALIGNED]), (0, 0));
    assert_eq!(call(machine, 0, (FWFT, 0), &[MISALIGNED, 1, 0]), (0, 0));
    assert_eq!(call(machine, 0, (FWFT, 1), &[MISALIGNED]), (0, 1));
    // Svadu alone is announced: on from the beginning.
    assert_eq!(call(machine, 0, (FWFT, 1), &[AD_UPDATING]), (0, 1));
    assert_eq!(call(machine, 0, (FWFT, 0), &[AD_UPDATING, 0, 0]), (0, 0));
    assert_eq!(call(machine, 0, (FWFT, 1), &[AD_UPDATING]), (0, 0));
    assert_eq!(machine.hart(0).unwrap().csr.menvcfg & status::ADUE, 0);
}

#[test]
fn with_svade_hardware_updating_is_off_at_reset() {
    let mut config = caller(1).config().clone();
    config.ad_update = AdUpdate::Svade;
    let machine = &mut build(config);
    assert_eq!(call(machine, 0, (FWFT, 1), &[AD_UPDATING]), (0, 0));
}

#[test]
fn locked_feature_stays_as_it_is() {
    let machine = &mut caller(2);
    for feature in [MISALIGNED, AD_UPDATING] {
        assert_eq!(call(machine, 0, (FWFT, 0), &[feature, 1, 1]), (0, 0));
        for flags in [0, 1] {
            let again = error(machine, 0, (FWFT, 0), &[feature, 0, flags]);
            assert_eq!(again, DENIED_LOCKED);
        }
        assert_eq!(call(machine, 0, (FWFT, 1), &[feature]), (0, 1));
        // Features with these numbers belong to each hart.
        machine.states[1] = HartState::Started;
        assert_eq!(call(machine, 1, (FWFT, 0), &[feature, 0, 0]), (0, 0));
    }
}

#[test]
fn features_that_are_not_there_say_so() {
    let machine = &mut caller(1);
    for function in [0, 1] {
        for feature in [1, 2, 3, 5] {
            let answer = error(machine, 0, (FWFT, function), &[feature, 0, 0]);
            assert_eq!(answer, NOT_SUPPORTED, "{feature}");
        }
        for feature in [6, 0x3fff_ffff, 0x4000_0000, 0x8000_0000, 0xffff_ffff] {
            let answer = error(machine, 0, (FWFT, function), &[feature, 0, 0]);
            assert_eq!(answer, DENIED, "{feature:#x}");
        }
    }
    for (value, flags) in [(2, 0), (u64::MAX, 0), (1, 2), (1, 1 << 63)] {
        let answer = error(machine, 0, (FWFT, 0), &[AD_UPDATING, value, flags]);
        assert_eq!(answer, INVALID_PARAM, "{value:#x} {flags:#x}");
    }
}
