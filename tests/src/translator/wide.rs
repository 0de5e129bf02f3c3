//! Operations that wasm has not: the high half of a product, and bytes in reverse order.

use virtarium_machine::isa::semantics::{Backend, Bin, Un};

use super::emit::{Emit, Local};

/// The high 64 bits of a product.
pub(super) fn product(emit: &mut Emit, op: Bin, a: Local, b: Local) -> Local {
    let high = unsigned(emit, a, b);
    // A negative factor was taken for one that is 2^64 larger: what that added is the other.
    let high = match op {
        Bin::MulH | Bin::MulHSU => correct(emit, high, a, b),
        _ => high,
    };
    match op {
        Bin::MulH => correct(emit, high, b, a),
        _ => high,
    }
}

/// `high - (other if factor < 0)`
fn correct(emit: &mut Emit, high: Local, factor: Local, other: Local) -> Local {
    let amount = emit.imm(63);
    let sign = emit.bin(Bin::Sar, factor, amount);
    let excess = emit.bin(Bin::And, sign, other);
    emit.bin(Bin::Sub, high, excess)
}

/// By halves of 32 bits, none of whose sums overflows.
fn unsigned(emit: &mut Emit, a: Local, b: Local) -> Local {
    let half = emit.imm(32);
    let (a_low, b_low) = (emit.un(Un::Zext32, a), emit.un(Un::Zext32, b));
    let (a_high, b_high) = (emit.bin(Bin::Shr, a, half), emit.bin(Bin::Shr, b, half));
    let low = emit.bin(Bin::Mul, a_low, b_low);
    let carry = emit.bin(Bin::Shr, low, half);
    let first = emit.bin(Bin::Mul, a_high, b_low);
    let first = emit.bin(Bin::Add, first, carry);
    let first_low = emit.un(Un::Zext32, first);
    let second = emit.bin(Bin::Mul, a_low, b_high);
    let second = emit.bin(Bin::Add, second, first_low);
    let high = emit.bin(Bin::Mul, a_high, b_high);
    let (first, second) = (
        emit.bin(Bin::Shr, first, half),
        emit.bin(Bin::Shr, second, half),
    );
    let high = emit.bin(Bin::Add, high, first);
    emit.bin(Bin::Add, high, second)
}

/// Swaps neighbouring bytes, then pairs of them, then halves.
pub(super) fn byte_swap(emit: &mut Emit, a: Local) -> Local {
    let mut value = a;
    for (bits, mask) in [(8, 0x00ff_00ff_00ff_00ff), (16, 0x0000_ffff_0000_ffff)] {
        let (amount, mask) = (emit.imm(bits), emit.imm(mask));
        let upper = emit.bin(Bin::Shr, value, amount);
        let upper = emit.bin(Bin::And, upper, mask);
        let lower = emit.bin(Bin::And, value, mask);
        let lower = emit.bin(Bin::Shl, lower, amount);
        value = emit.bin(Bin::Or, upper, lower);
    }
    let half = emit.imm(32);
    emit.bin(Bin::Rol, value, half)
}
