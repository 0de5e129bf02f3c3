//! Calls of the SBI, made by an ECALL in supervisor mode.

mod console;
mod harts;
mod masks;
mod plain;
mod power;
mod timer;

use super::super::testing::{KERNEL, Recorder, inst, supervisor};
use super::*;
use crate::isa::Op;

const NOT_SUPPORTED: i64 = -2;
const INVALID_PARAM: i64 = -3;
const DENIED: i64 = -4;
const INVALID_ADDRESS: i64 = -5;
const ALREADY_AVAILABLE: i64 = -6;
const DENIED_LOCKED: i64 = -14;

const BASE: u64 = 0x10;
const TIME: u64 = 0x5449_4d45;
const IPI: u64 = 0x0073_5049;
const RFENCE: u64 = 0x5246_4e43;
const HSM: u64 = 0x0048_534d;
const SRST: u64 = 0x5352_5354;
const DBCN: u64 = 0x4442_434e;
const SUSP: u64 = 0x5355_5350;
const FWFT: u64 = 0x4657_4654;

/// A machine whose kernel is one ECALL.
fn caller(harts: usize) -> Machine {
    supervisor(&[inst(Op::Ecall, 0, 0, 0, 0)], harts)
}

/// What each register holds before a call, unless it is an argument.
fn before(register: usize) -> u64 {
    if register == 0 {
        0
    } else {
        0x1111_0000_0000_0000 + register as u64
    }
}

/// Makes a call that may not return; gives the registers behind it.
fn enter(
    machine: &mut Machine,
    hart: usize,
    (extension, function): (u64, u64),
    arguments: &[u64],
    host: &mut Recorder,
) -> [u64; 32] {
    machine.set_pc(hart, KERNEL);
    for register in 1..32 {
        machine.set_register(hart, register as u8, before(register));
    }
    for (register, value) in (10..).zip(arguments) {
        machine.set_register(hart, register, *value);
    }
    machine.set_register(hart, 16, function);
    machine.set_register(hart, 17, extension);
    machine.one_step_of(hart, host);
    machine.registers(hart).unwrap()
}

/// Makes a call that returns, and leaves every register but `a0` and `a1` as it was.
fn call_with(
    machine: &mut Machine,
    hart: usize,
    which: (u64, u64),
    arguments: &[u64],
    host: &mut Recorder,
) -> (i64, u64) {
    let after = enter(machine, hart, which, arguments, host);
    assert_eq!(machine.hart(hart).unwrap().pc, KERNEL + 4);
    assert_eq!(machine.hart(hart).unwrap().privilege, Privilege::Supervisor);
    for (register, value) in after.iter().enumerate() {
        let expected = match register {
            10 | 11 => continue,
            16 => which.1,
            17 => which.0,
            12..=15 => arguments
                .get(register - 10)
                .copied()
                .unwrap_or(before(register)),
            _ => before(register),
        };
        assert_eq!(*value, expected, "x{register} after {which:x?}");
    }
    (after[10] as i64, after[11])
}

fn call(machine: &mut Machine, hart: usize, which: (u64, u64), arguments: &[u64]) -> (i64, u64) {
    call_with(machine, hart, which, arguments, &mut Recorder::default())
}

/// The error of a call, whose value is to be 0.
fn error(machine: &mut Machine, hart: usize, which: (u64, u64), arguments: &[u64]) -> i64 {
    let (error, value) = call(machine, hart, which, arguments);
    assert_eq!(value, 0, "{which:x?}");
    error
}
