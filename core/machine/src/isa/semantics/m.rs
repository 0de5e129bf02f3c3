//! M: multiplication and division. Division never traps; the special results are said here once.

use super::{Backend, Bin, Inst, Un, register};

macro_rules! products {
    ($($name:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            register(b, inst, Bin::$op)
        }
    )* };
}
products!(mul Mul, mulh MulH, mulhsu MulHSU, mulhu MulHU);

#[inline(always)]
pub fn mulw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (x, y) = (b.x(inst.rs1), b.x(inst.rs2));
    let product = b.bin(Bin::Mul, x, y);
    let value = b.un(Un::Sext32, product);
    b.set_x(inst.rd, value);
    Ok(())
}

/// `x op y` for the four divisions, with the results that the standard gives for a zero divisor
/// (quotient all ones, remainder the dividend) and for overflow (quotient the dividend,
/// remainder zero).
#[inline(always)]
fn divide<B: Backend>(b: &mut B, op: Bin, x: B::V, y: B::V) -> B::V {
    let (zero, one, ones) = (b.imm(0), b.imm(1), b.imm(-1));
    let by_zero = b.bin(Bin::Eq, y, zero);
    let signed = matches!(op, Bin::Div | Bin::Rem);
    let quotient = matches!(op, Bin::Div | Bin::DivU);
    // A divisor of 1 stands in for 0, and for -1 where the sign is turned by hand: no operand
    // reaches the division that it is not defined for.
    let negates = b.bin(Bin::Eq, y, ones);
    let unsafe_divisor = if signed {
        b.bin(Bin::Or, by_zero, negates)
    } else {
        by_zero
    };
    let divisor = b.select(unsafe_divisor, one, y);
    let result = b.bin(op, x, divisor);
    let result = if signed && quotient {
        let negated = b.bin(Bin::Sub, zero, x);
        b.select(negates, negated, result)
    } else {
        result
    };
    let at_zero = if quotient { ones } else { x };
    b.select(by_zero, at_zero, result)
}

macro_rules! divisions {
    ($($name:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            let (x, y) = (b.x(inst.rs1), b.x(inst.rs2));
            let value = divide(b, Bin::$op, x, y);
            b.set_x(inst.rd, value);
            Ok(())
        }
    )* };
}
divisions!(div Div, divu DivU, rem Rem, remu RemU);

macro_rules! word_divisions {
    ($($name:ident $op:ident $extend:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            let (x, y) = (b.x(inst.rs1), b.x(inst.rs2));
            let (x, y) = (b.un(Un::$extend, x), b.un(Un::$extend, y));
            let value = divide(b, Bin::$op, x, y);
            let value = b.un(Un::Sext32, value);
            b.set_x(inst.rd, value);
            Ok(())
        }
    )* };
}
word_divisions!(divw Div Sext32, divuw DivU Zext32, remw Rem Sext32, remuw RemU Zext32);
