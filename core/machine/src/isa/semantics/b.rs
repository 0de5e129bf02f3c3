//! Zba, Zbb, Zbs and Zicond: addresses, bits, and conditions without branches.

use super::{Backend, Bin, Inst, Un, register, unary};

/// `rd = rs2 + (extend(rs1) << shift)`
#[inline(always)]
fn shift_add<B: Backend>(
    b: &mut B,
    inst: &Inst,
    extend: Option<Un>,
    shift: i64,
) -> Result<(), B::Exit> {
    let (mut x, y, amount) = (b.x(inst.rs1), b.x(inst.rs2), b.imm(shift));
    if let Some(extend) = extend {
        x = b.un(extend, x);
    }
    let shifted = b.bin(Bin::Shl, x, amount);
    let value = b.bin(Bin::Add, shifted, y);
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! shift_adds {
    ($($name:ident $extend:expr, $shift:literal;)*) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            shift_add(b, inst, $extend, $shift)
        }
    )* };
}
shift_adds! {
    add_uw Some(Un::Zext32), 0;
    sh1add None, 1;
    sh2add None, 2;
    sh3add None, 3;
    sh1add_uw Some(Un::Zext32), 1;
    sh2add_uw Some(Un::Zext32), 2;
    sh3add_uw Some(Un::Zext32), 3;
}

#[inline(always)]
pub fn slli_uw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (x, amount) = (b.x(inst.rs1), b.imm(i64::from(inst.imm)));
    let x = b.un(Un::Zext32, x);
    let value = b.bin(Bin::Shl, x, amount);
    b.set_x(inst.rd, value);
    Ok(())
}

/// `rd = rs1 op not rs2`
#[inline(always)]
fn negated<B: Backend>(b: &mut B, inst: &Inst, op: Bin) -> Result<(), B::Exit> {
    let (x, y, ones) = (b.x(inst.rs1), b.x(inst.rs2), b.imm(-1));
    let y = b.bin(Bin::Xor, y, ones);
    let value = b.bin(op, x, y);
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! negateds {
    ($($name:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            negated(b, inst, Bin::$op)
        }
    )* };
}
negateds!(andn And, orn Or, xnor Xor);

macro_rules! unaries {
    ($($name:ident $op:ident),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            unary(b, inst, Un::$op)
        }
    )* };
}
unaries!(
    clz Clz, ctz Ctz, cpop Popcount, sext_b Sext8, sext_h Sext16, zext_h Zext16, rev8 ByteSwap,
);

/// The word forms of the counts: the upper half is filled so that it cannot be counted wrongly.
#[inline(always)]
pub fn clzw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (x, half) = (b.x(inst.rs1), b.imm(32));
    // 32 ones behind the word stop the count at 32.
    let (high, below) = (b.bin(Bin::Shl, x, half), b.imm(0xffff_ffff));
    let stopped = b.bin(Bin::Or, high, below);
    let value = b.un(Un::Clz, stopped);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn ctzw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (x, stop) = (b.x(inst.rs1), b.imm(1 << 32));
    let stopped = b.bin(Bin::Or, x, stop);
    let value = b.un(Un::Ctz, stopped);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn cpopw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let x = b.x(inst.rs1);
    let word = b.un(Un::Zext32, x);
    let value = b.un(Un::Popcount, word);
    b.set_x(inst.rd, value);
    Ok(())
}

/// `rd` is the operand that compares as said.
#[inline(always)]
fn extreme<B: Backend>(b: &mut B, inst: &Inst, less: Bin, max: bool) -> Result<(), B::Exit> {
    let (x, y) = (b.x(inst.rs1), b.x(inst.rs2));
    let less = b.bin(less, x, y);
    let value = if max {
        b.select(less, y, x)
    } else {
        b.select(less, x, y)
    };
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! extremes {
    ($($name:ident $less:ident $max:literal),* $(,)?) => { $(
        #[inline(always)]
        pub fn $name<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            extreme(b, inst, Bin::$less, $max)
        }
    )* };
}
extremes!(max Lt true, maxu LtU true, min Lt false, minu LtU false);

#[inline(always)]
pub fn rol<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    register(b, inst, Bin::Rol)
}

/// Rotates right by rotating left by the amount's complement.
#[inline(always)]
fn rotate_right<B: Backend>(b: &mut B, inst: &Inst, amount: B::V) -> Result<(), B::Exit> {
    let (x, zero) = (b.x(inst.rs1), b.imm(0));
    let left = b.bin(Bin::Sub, zero, amount);
    let value = b.bin(Bin::Rol, x, left);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn ror<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let amount = b.x(inst.rs2);
    rotate_right(b, inst, amount)
}

#[inline(always)]
pub fn rori<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let amount = b.imm(i64::from(inst.imm));
    rotate_right(b, inst, amount)
}

/// Rotates a word: its two copies side by side, shifted.
#[inline(always)]
fn rotate_word<B: Backend>(
    b: &mut B,
    inst: &Inst,
    amount: B::V,
    left: bool,
) -> Result<(), B::Exit> {
    let (x, half, five) = (b.x(inst.rs1), b.imm(32), b.imm(31));
    let amount = b.bin(Bin::And, amount, five);
    let low = b.un(Un::Zext32, x);
    let high = b.bin(Bin::Shl, x, half);
    let twice = b.bin(Bin::Or, high, low);
    let value = if left {
        let shifted = b.bin(Bin::Shl, twice, amount);
        b.bin(Bin::Sar, shifted, half)
    } else {
        b.bin(Bin::Shr, twice, amount)
    };
    let value = b.un(Un::Sext32, value);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn rolw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let amount = b.x(inst.rs2);
    rotate_word(b, inst, amount, true)
}

#[inline(always)]
pub fn rorw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let amount = b.x(inst.rs2);
    rotate_word(b, inst, amount, false)
}

#[inline(always)]
pub fn roriw<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let amount = b.imm(i64::from(inst.imm));
    rotate_word(b, inst, amount, false)
}

/// Every byte that is not zero becomes all ones.
#[inline(always)]
pub fn orc_b<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let x = b.x(inst.rs1);
    // The highest bit of each byte says whether the byte is zero: adding 0x7f carries into it
    // from the low seven bits, and no byte carries into the next.
    let (low_seven, byte) = (b.imm(0x7f7f_7f7f_7f7f_7f7f), b.imm(0xff));
    let low = b.bin(Bin::And, x, low_seven);
    let carried = b.bin(Bin::Add, low, low_seven);
    let seen = b.bin(Bin::Or, carried, x);
    let (seven, ones) = (b.imm(7), b.imm(0x0101_0101_0101_0101));
    let bits = b.bin(Bin::Shr, seen, seven);
    let bits = b.bin(Bin::And, bits, ones);
    let value = b.bin(Bin::Mul, bits, byte);
    b.set_x(inst.rd, value);
    Ok(())
}

/// A single bit, `1 << amount`.
#[inline(always)]
fn bit<B: Backend>(b: &mut B, amount: B::V) -> B::V {
    let one = b.imm(1);
    b.bin(Bin::Shl, one, amount)
}

#[inline(always)]
fn clear_bit<B: Backend>(b: &mut B, inst: &Inst, amount: B::V) -> Result<(), B::Exit> {
    let (x, mask, ones) = (b.x(inst.rs1), bit(b, amount), b.imm(-1));
    let mask = b.bin(Bin::Xor, mask, ones);
    let value = b.bin(Bin::And, x, mask);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
fn change_bit<B: Backend>(b: &mut B, inst: &Inst, op: Bin, amount: B::V) -> Result<(), B::Exit> {
    let (x, mask) = (b.x(inst.rs1), bit(b, amount));
    let value = b.bin(op, x, mask);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
fn extract_bit<B: Backend>(b: &mut B, inst: &Inst, amount: B::V) -> Result<(), B::Exit> {
    let (x, one) = (b.x(inst.rs1), b.imm(1));
    let shifted = b.bin(Bin::Shr, x, amount);
    let value = b.bin(Bin::And, shifted, one);
    b.set_x(inst.rd, value);
    Ok(())
}

macro_rules! single_bits {
    ($($register:ident $immediate:ident |$b:ident, $inst:ident, $amount:ident| $body:expr;)*) => { $(
        #[inline(always)]
        pub fn $register<B: Backend>($b: &mut B, $inst: &Inst) -> Result<(), B::Exit> {
            let $amount = $b.x($inst.rs2);
            $body
        }
        #[inline(always)]
        pub fn $immediate<B: Backend>($b: &mut B, $inst: &Inst) -> Result<(), B::Exit> {
            let $amount = $b.imm(i64::from($inst.imm));
            $body
        }
    )* };
}
single_bits! {
    bclr bclri |b, inst, amount| clear_bit(b, inst, amount);
    bext bexti |b, inst, amount| extract_bit(b, inst, amount);
    binv binvi |b, inst, amount| change_bit(b, inst, Bin::Xor, amount);
    bset bseti |b, inst, amount| change_bit(b, inst, Bin::Or, amount);
}

/// `rd` is `rs1`, or zero if the condition is (not) zero.
#[inline(always)]
pub fn czero_eqz<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (x, condition, zero) = (b.x(inst.rs1), b.x(inst.rs2), b.imm(0));
    let value = b.select(condition, x, zero);
    b.set_x(inst.rd, value);
    Ok(())
}

#[inline(always)]
pub fn czero_nez<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
    let (x, condition, zero) = (b.x(inst.rs1), b.x(inst.rs2), b.imm(0));
    let value = b.select(condition, zero, x);
    b.set_x(inst.rd, value);
    Ok(())
}
