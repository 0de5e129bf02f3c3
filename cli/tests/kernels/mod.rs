//! Small kernels for M-mode, as machine code: what a line of the command must show.
#![allow(dead_code, reason = "each test takes the kernels that it needs")]

use virtarium_machine::isa::Op;
use virtarium_tests::asm::{Asm, S, T};

/// Instructions, from the first one on.
pub struct Kernel(Vec<u32>);

const T0: u32 = 5;
const T1: u32 = 6;
const T2: u32 = 7;
const S0: u32 = 8;
const S1: u32 = 9;

const UART: u32 = 0x1000_0000;
const FINISHER: u32 = 0x10_0000;
const SLOT0: u32 = 0x1000_1000;

impl Kernel {
    /// These instructions, on every hart.
    pub fn of(words: Vec<u32>) -> Self {
        Self(words)
    }

    /// A kernel that leaves all harts but the first asleep.
    fn new() -> Self {
        let mut kernel = Self(Vec::new());
        // csrr t0, mhartid; beqz t0, +12; wfi; j -4
        kernel
            .0
            .extend([0xf140_22f3, 0x0002_8663, 0x1050_0073, 0xffdf_f06f]);
        kernel
    }

    fn i(&mut self, opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: i32) {
        let imm = (imm as u32) & 0xfff;
        self.0
            .push(imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode);
    }

    /// lui and addiw: any 32-bit value.
    fn li(&mut self, rd: u32, value: u32) {
        let low = ((value << 20) as i32) >> 20;
        let high = value.wrapping_sub(low as u32) & 0xffff_f000;
        self.0.push(high | rd << 7 | 0x37);
        self.i(0x1b, 0, rd, rd, low);
    }

    /// sb or sw: `funct3` 0 or 2.
    fn store(&mut self, funct3: u32, base: u32, source: u32) {
        self.0.push(source << 20 | base << 15 | funct3 << 12 | 0x23);
    }

    fn print(mut self, text: &str) -> Self {
        self.li(T0, UART);
        for byte in text.bytes() {
            self.i(0x13, 0, T1, 0, i32::from(byte));
            self.store(0, T0, T1);
        }
        self
    }

    /// Writes to the test finisher.
    fn finish(mut self, value: u32) -> Self {
        self.li(T0, FINISHER);
        self.li(T1, value);
        self.store(2, T0, T1);
        self
    }

    /// The file: machine code without a header.
    pub fn image(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// Prints and ends with success.
pub fn greets(text: &str) -> Kernel {
    Kernel::new().print(text).finish(0x5555)
}

/// Ends with a code.
pub fn exits(code: u32) -> Kernel {
    Kernel::new().finish(code << 16 | 0x3333)
}

/// Counts and never ends.
pub fn spins() -> Kernel {
    let mut kernel = Kernel::new();
    // addi t0, t0, 1; j -4
    kernel.0.extend([0x0012_8293, 0xffdf_f06f]);
    kernel
}

/// Prints for ever.
pub fn floods() -> Kernel {
    let mut kernel = Kernel::new();
    kernel.li(T0, UART);
    kernel.i(0x13, 0, T1, 0, i32::from(b'x'));
    kernel.store(0, T0, T1);
    // j -4
    kernel.0.push(0xffdf_f06f);
    kernel
}

/// Counts in t3 on every hart, for ever.
pub fn counts() -> Kernel {
    // addi t3, t3, 1; j -4
    Kernel(vec![0x001e_0e13, 0xffdf_f06f])
}

/// Prints a line with the real-time clock's nanoseconds, waits for so many more, and resets the
/// machine. The digits are those of base 16, the highest first, but `a` to `p`.
pub fn tells_the_time(wait: u64) -> Kernel {
    const RTC: u64 = 0x10_1000;
    let [clock, uart, begin] = [S[0], S[1], S[2]];
    let mut asm = Asm::new(0x8000_0000);
    // TIME_LOW first: it latches TIME_HIGH.
    let read = |asm: &mut Asm, into: u8| {
        asm.i(Op::Lwu, into, clock, 0);
        asm.i(Op::Lwu, T[0], clock, 4);
        asm.i(Op::Slli, T[0], T[0], 32);
        asm.r(Op::Or, into, into, T[0]);
    };
    asm.li(clock, RTC);
    asm.li(uart, u64::from(UART));
    read(&mut asm, begin);
    for digit in (0..16).rev() {
        asm.i(Op::Srli, T[0], begin, 4 * digit);
        asm.i(Op::Andi, T[0], T[0], 15);
        asm.i(Op::Addi, T[0], T[0], i32::from(b'a'));
        asm.store(Op::Sb, T[0], uart, 0);
    }
    asm.li(T[0], u64::from(b'\n'));
    asm.store(Op::Sb, T[0], uart, 0);
    asm.li(T[2], wait);
    let again = asm.label();
    read(&mut asm, T[1]);
    asm.r(Op::Sub, T[1], T[1], begin);
    asm.branch(Op::Bltu, T[1], T[2], again);
    asm.li(T[0], u64::from(FINISHER));
    asm.li(T[1], 0x7777);
    asm.store(Op::Sw, T[1], T[0], 0);
    let words = asm.finish();
    let words = words.chunks_exact(4).map(|word| {
        let word = word.try_into().expect("four bytes");
        u32::from_le_bytes(word)
    });
    Kernel(words.collect())
}

/// Sleeps with nothing to wake it.
pub fn idles() -> Kernel {
    let mut kernel = Kernel::new();
    // wfi; j -4
    kernel.0.extend([0x1050_0073, 0xffdf_f06f]);
    kernel
}

/// Goes on at an address, on every hart.
pub fn jumps(to: u32) -> Kernel {
    let mut kernel = Kernel(Vec::new());
    // lui sign-extends: the shifts take that back.
    kernel.li(T2, to);
    kernel.i(0x13, 1, T2, T2, 32);
    kernel.i(0x13, 5, T2, T2, 32);
    kernel.i(0x67, 0, 0, T2, 0);
    kernel
}

/// Prints the device id (offset 8, below ten) of each virtio-mmio slot, from bus.0 to bus.7.
pub fn devices() -> Kernel {
    let mut kernel = Kernel::new();
    kernel.li(S0, UART);
    for slot in 0..8 {
        kernel.li(S1, SLOT0 + slot * 0x1000);
        kernel.i(0x03, 2, T1, S1, 8);
        kernel.i(0x13, 0, T1, T1, i32::from(b'0'));
        kernel.store(0, S0, T1);
    }
    kernel.print("\n").finish(0x5555)
}

/// Writes 1 to a word of memory, for ever.
pub fn stores(to: u32) -> Kernel {
    let mut kernel = Kernel::new();
    kernel.li(T2, to);
    kernel.i(0x13, 1, T2, T2, 32);
    kernel.i(0x13, 5, T2, T2, 32);
    kernel.i(0x13, 0, T1, 0, 1);
    kernel.store(2, T2, T1);
    kernel.0.push(0xffdf_f06f);
    kernel
}
