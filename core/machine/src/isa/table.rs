//! The one list of instructions: encoding, name, operands, class, meaning.
//!
//! Decoder, encoder, disassembler, interpreter, translators and the per-instruction tests are
//! ordinary functions over this list. Sources: RISC-V unprivileged ISA 20240411 and privileged
//! architecture 1.13; the encodings are the standard's opcode map.

use super::fused::{Decoded, Meaning, with_sequences};
use super::semantics::{self, Backend};
use super::{Class, Extension, Format, Inst, Row};

/// Bits that a row fixes: (mask, value).
type Encoding = (u32, u32);

const fn u(opcode: u32) -> Encoding {
    (0x7f, opcode)
}
const fn i(opcode: u32, funct3: u32) -> Encoding {
    (0x707f, opcode | funct3 << 12)
}
const fn r(opcode: u32, funct3: u32, funct7: u32) -> Encoding {
    (0xfe00_707f, opcode | funct3 << 12 | funct7 << 25)
}
/// A shift by a 6-bit immediate.
const fn sh(opcode: u32, funct3: u32, funct6: u32) -> Encoding {
    (0xfc00_707f, opcode | funct3 << 12 | funct6 << 26)
}
/// The upper 12 bits are fixed too.
const fn un(opcode: u32, funct3: u32, funct12: u32) -> Encoding {
    (0xfff0_707f, opcode | funct3 << 12 | funct12 << 20)
}
const fn amo(funct3: u32, funct5: u32) -> Encoding {
    (0xf800_707f, 0x2f | funct3 << 12 | funct5 << 27)
}
const fn lr(funct3: u32) -> Encoding {
    (0xf9f0_707f, 0x2f | funct3 << 12 | 0x02 << 27)
}
const fn r4(opcode: u32, fmt: u32) -> Encoding {
    (0x0600_007f, opcode | fmt << 25)
}
/// A floating-point operation with a rounding mode.
const fn rm(funct7: u32) -> Encoding {
    (0xfe00_007f, 0x53 | funct7 << 25)
}
/// The same with one source: `rs2` selects.
const fn rm1(funct7: u32, rs2: u32) -> Encoding {
    (0xfff0_007f, 0x53 | funct7 << 25 | rs2 << 20)
}
const fn f(funct7: u32, funct3: u32) -> Encoding {
    r(0x53, funct3, funct7)
}
const fn f1(funct7: u32, rs2: u32, funct3: u32) -> Encoding {
    un(0x53, funct3, funct7 << 5 | rs2)
}
const fn exact(word: u32) -> Encoding {
    (u32::MAX, word)
}
/// `rd` and `rs1` are operands nowhere: both must be zero, `rs2` and `rs1` are free.
const fn fence_vma(funct7: u32) -> Encoding {
    (0xfe00_7fff, 0x73 | funct7 << 25)
}
/// A cache-block operation: `rd` is zero, the immediate selects.
const fn cbo(funct12: u32) -> Encoding {
    (0xfff0_7fff, 0x0f | 2 << 12 | funct12 << 20)
}
/// A prefetch: an `ori` to `x0` whose immediate's low five bits select.
const fn prefetch(kind: u32) -> Encoding {
    (0x01f0_7fff, 0x13 | 6 << 12 | kind << 20)
}

macro_rules! instructions {
    (
        sequences { $( $sequence:ident = $first:ident $($then:ident)*; )* }
        $( $module:ident::$function:ident $op:ident $name:literal $extension:ident $format:ident $class:ident = $encoding:expr; )*
    ) => {
        /// An instruction, or a mark in decoded code.
        #[repr(u16)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[allow(missing_docs, reason = "the rows' names are the standard's mnemonics")]
        pub enum Op {
            $($op,)*
            /// Not an instruction: nothing is known of these bits yet.
            Undecoded,
            /// Not an instruction: what is here has to be looked at each time.
            Straddle,
            /// An encoding that means nothing; `imm` holds the bits.
            Illegal,
            $(
                #[doc = concat!("The sequence", $(" then ", stringify!($then),)* " after ", stringify!($first), ".")]
                $sequence,
            )*
        }

        /// All instructions, in the order of [`Op`].
        pub static TABLE: &[Row] = ROWS;
        pub(super) const ROWS: &[Row] = &[$(Row {
            op: Op::$op,
            name: $name,
            extension: Extension::$extension,
            format: Format::$format,
            class: Class::$class,
            mask: $encoding.0,
            bits: $encoding.1,
        },)*];

        /// The sequences and their parts, in the order of their numbers in [`Op`].
        pub const SEQUENCES: &[(Op, &[Op])] =
            &[$((Op::$sequence, &[Op::$first, $(Op::$then,)*]),)*];

        /// The instructions as types, by the names that they have in [`Op`].
        pub mod meaning {
            use super::*;
            $(
                #[doc = concat!("`", $name, "`")]
                pub struct $op;

                impl Meaning for $op {
                    const FLOAT: bool = matches!(Extension::$extension, Extension::F | Extension::D);

                    #[inline(always)]
                    fn execute<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
                        semantics::$module::$function(b, inst)
                    }
                }
            )*
        }

        /// Carries out one instruction on a back end. What is none is illegal.
        #[inline(always)]
        pub fn execute<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            match inst.op {
                $(Op::$op => semantics::$module::$function(b, inst),)*
                _ => b.illegal(inst),
            }
        }

        /// Carries out what a slot of decoded code names: an instruction, a mark or a sequence.
        #[inline(always)]
        pub fn execute_decoded<B: Decoded>(b: &mut B, inst: &Inst) -> Result<(), B::Exit> {
            match inst.op {
                $(Op::$op => semantics::$module::$function(b, inst),)*
                Op::Undecoded => b.undecoded(),
                Op::Straddle => b.straddle(),
                Op::Illegal => b.illegal(inst),
                $(Op::$sequence => {
                    let float = const { meaning::$first::FLOAT $(|| meaning::$then::FLOAT)* };
                    let parts = const { <[Op]>::len(&[$(Op::$then),*]) };
                    if !b.fuse(parts, float) {
                        return meaning::$first::execute(b, inst);
                    }
                    b.first::<meaning::$first>(inst)?;
                    $(b.then::<meaning::$then>()?;)*
                    Ok(())
                })*
            }
        }
    };
}

// Rows stay on one line each, however long.
#[rustfmt::skip]
with_sequences! { instructions! {
    // RV32I and RV64I
    i::lui      Lui      "lui"      I U Alu     = u(0x37);
    i::auipc    Auipc    "auipc"    I U Alu     = u(0x17);
    i::jal      Jal      "jal"      I J Jump    = u(0x6f);
    i::jalr     Jalr     "jalr"     I Jalr Jump = i(0x67, 0);
    i::beq      Beq      "beq"      I B Branch  = i(0x63, 0);
    i::bne      Bne      "bne"      I B Branch  = i(0x63, 1);
    i::blt      Blt      "blt"      I B Branch  = i(0x63, 4);
    i::bge      Bge      "bge"      I B Branch  = i(0x63, 5);
    i::bltu     Bltu     "bltu"     I B Branch  = i(0x63, 6);
    i::bgeu     Bgeu     "bgeu"     I B Branch  = i(0x63, 7);
    i::lb       Lb       "lb"       I Load Load = i(0x03, 0);
    i::lh       Lh       "lh"       I Load Load = i(0x03, 1);
    i::lw       Lw       "lw"       I Load Load = i(0x03, 2);
    i::ld       Ld       "ld"       I Load Load = i(0x03, 3);
    i::lbu      Lbu      "lbu"      I Load Load = i(0x03, 4);
    i::lhu      Lhu      "lhu"      I Load Load = i(0x03, 5);
    i::lwu      Lwu      "lwu"      I Load Load = i(0x03, 6);
    i::sb       Sb       "sb"       I S Store   = i(0x23, 0);
    i::sh       Sh       "sh"       I S Store   = i(0x23, 1);
    i::sw       Sw       "sw"       I S Store   = i(0x23, 2);
    i::sd       Sd       "sd"       I S Store   = i(0x23, 3);
    i::addi     Addi     "addi"     I I Alu     = i(0x13, 0);
    i::slti     Slti     "slti"     I I Alu     = i(0x13, 2);
    i::sltiu    Sltiu    "sltiu"    I I Alu     = i(0x13, 3);
    i::xori     Xori     "xori"     I I Alu     = i(0x13, 4);
    i::ori      Ori      "ori"      I I Alu     = i(0x13, 6);
    i::andi     Andi     "andi"     I I Alu     = i(0x13, 7);
    i::slli     Slli     "slli"     I Shift Alu = sh(0x13, 1, 0x00);
    i::srli     Srli     "srli"     I Shift Alu = sh(0x13, 5, 0x00);
    i::srai     Srai     "srai"     I Shift Alu = sh(0x13, 5, 0x10);
    i::add      Add      "add"      I R Alu     = r(0x33, 0, 0x00);
    i::sub      Sub      "sub"      I R Alu     = r(0x33, 0, 0x20);
    i::sll      Sll      "sll"      I R Alu     = r(0x33, 1, 0x00);
    i::slt      Slt      "slt"      I R Alu     = r(0x33, 2, 0x00);
    i::sltu     Sltu     "sltu"     I R Alu     = r(0x33, 3, 0x00);
    i::xor      Xor      "xor"      I R Alu     = r(0x33, 4, 0x00);
    i::srl      Srl      "srl"      I R Alu     = r(0x33, 5, 0x00);
    i::sra      Sra      "sra"      I R Alu     = r(0x33, 5, 0x20);
    i::or       Or       "or"       I R Alu     = r(0x33, 6, 0x00);
    i::and      And      "and"      I R Alu     = r(0x33, 7, 0x00);
    i::addiw    Addiw    "addiw"    I I Alu     = i(0x1b, 0);
    i::slliw    Slliw    "slliw"    I ShiftW Alu = r(0x1b, 1, 0x00);
    i::srliw    Srliw    "srliw"    I ShiftW Alu = r(0x1b, 5, 0x00);
    i::sraiw    Sraiw    "sraiw"    I ShiftW Alu = r(0x1b, 5, 0x20);
    i::addw     Addw     "addw"     I R Alu     = r(0x3b, 0, 0x00);
    i::subw     Subw     "subw"     I R Alu     = r(0x3b, 0, 0x20);
    i::sllw     Sllw     "sllw"     I R Alu     = r(0x3b, 1, 0x00);
    i::srlw     Srlw     "srlw"     I R Alu     = r(0x3b, 5, 0x00);
    i::sraw     Sraw     "sraw"     I R Alu     = r(0x3b, 5, 0x20);
    system::fence Fence  "fence"    I Fence Hint = i(0x0f, 0);
    system::call  Ecall  "ecall"    I Plain System = exact(0x0000_0073);
    system::call  Ebreak "ebreak"   I Plain System = exact(0x0010_0073);
    // Zifencei, Zicsr
    system::call FenceI  "fence.i"  Zifencei FenceI System = i(0x0f, 1);
    system::call Csrrw   "csrrw"    Zicsr Csr Csr  = i(0x73, 1);
    system::call Csrrs   "csrrs"    Zicsr Csr Csr  = i(0x73, 2);
    system::call Csrrc   "csrrc"    Zicsr Csr Csr  = i(0x73, 3);
    system::call Csrrwi  "csrrwi"   Zicsr CsrI Csr = i(0x73, 5);
    system::call Csrrsi  "csrrsi"   Zicsr CsrI Csr = i(0x73, 6);
    system::call Csrrci  "csrrci"   Zicsr CsrI Csr = i(0x73, 7);
    // M
    m::mul      Mul      "mul"      M R Alu = r(0x33, 0, 0x01);
    m::mulh     Mulh     "mulh"     M R Alu = r(0x33, 1, 0x01);
    m::mulhsu   Mulhsu   "mulhsu"   M R Alu = r(0x33, 2, 0x01);
    m::mulhu    Mulhu    "mulhu"    M R Alu = r(0x33, 3, 0x01);
    m::div      Div      "div"      M R Alu = r(0x33, 4, 0x01);
    m::divu     Divu     "divu"     M R Alu = r(0x33, 5, 0x01);
    m::rem      Rem      "rem"      M R Alu = r(0x33, 6, 0x01);
    m::remu     Remu     "remu"     M R Alu = r(0x33, 7, 0x01);
    m::mulw     Mulw     "mulw"     M R Alu = r(0x3b, 0, 0x01);
    m::divw     Divw     "divw"     M R Alu = r(0x3b, 4, 0x01);
    m::divuw    Divuw    "divuw"    M R Alu = r(0x3b, 5, 0x01);
    m::remw     Remw     "remw"     M R Alu = r(0x3b, 6, 0x01);
    m::remuw    Remuw    "remuw"    M R Alu = r(0x3b, 7, 0x01);
    // A
    a::lr_w      LrW      "lr.w"      A Lr  Amo = lr(2);
    a::sc_w      ScW      "sc.w"      A Amo Amo = amo(2, 0x03);
    a::amoswap_w AmoswapW "amoswap.w" A Amo Amo = amo(2, 0x01);
    a::amoadd_w  AmoaddW  "amoadd.w"  A Amo Amo = amo(2, 0x00);
    a::amoxor_w  AmoxorW  "amoxor.w"  A Amo Amo = amo(2, 0x04);
    a::amoand_w  AmoandW  "amoand.w"  A Amo Amo = amo(2, 0x0c);
    a::amoor_w   AmoorW   "amoor.w"   A Amo Amo = amo(2, 0x08);
    a::amomin_w  AmominW  "amomin.w"  A Amo Amo = amo(2, 0x10);
    a::amomax_w  AmomaxW  "amomax.w"  A Amo Amo = amo(2, 0x14);
    a::amominu_w AmominuW "amominu.w" A Amo Amo = amo(2, 0x18);
    a::amomaxu_w AmomaxuW "amomaxu.w" A Amo Amo = amo(2, 0x1c);
    a::lr_d      LrD      "lr.d"      A Lr  Amo = lr(3);
    a::sc_d      ScD      "sc.d"      A Amo Amo = amo(3, 0x03);
    a::amoswap_d AmoswapD "amoswap.d" A Amo Amo = amo(3, 0x01);
    a::amoadd_d  AmoaddD  "amoadd.d"  A Amo Amo = amo(3, 0x00);
    a::amoxor_d  AmoxorD  "amoxor.d"  A Amo Amo = amo(3, 0x04);
    a::amoand_d  AmoandD  "amoand.d"  A Amo Amo = amo(3, 0x0c);
    a::amoor_d   AmoorD   "amoor.d"   A Amo Amo = amo(3, 0x08);
    a::amomin_d  AmominD  "amomin.d"  A Amo Amo = amo(3, 0x10);
    a::amomax_d  AmomaxD  "amomax.d"  A Amo Amo = amo(3, 0x14);
    a::amominu_d AmominuD "amominu.d" A Amo Amo = amo(3, 0x18);
    a::amomaxu_d AmomaxuD "amomaxu.d" A Amo Amo = amo(3, 0x1c);
    // F
    fp::flw        Flw     "flw"       F FLoad Load   = i(0x07, 2);
    fp::fsw        Fsw     "fsw"       F FStore Store = i(0x27, 2);
    fp::fmadd_s    FmaddS  "fmadd.s"   F FR4 Fp = r4(0x43, 0);
    fp::fmsub_s    FmsubS  "fmsub.s"   F FR4 Fp = r4(0x47, 0);
    fp::fnmsub_s   FnmsubS "fnmsub.s"  F FR4 Fp = r4(0x4b, 0);
    fp::fnmadd_s   FnmaddS "fnmadd.s"  F FR4 Fp = r4(0x4f, 0);
    fp::fadd_s     FaddS   "fadd.s"    F FRm Fp = rm(0x00);
    fp::fsub_s     FsubS   "fsub.s"    F FRm Fp = rm(0x04);
    fp::fmul_s     FmulS   "fmul.s"    F FRm Fp = rm(0x08);
    fp::fdiv_s     FdivS   "fdiv.s"    F FRm Fp = rm(0x0c);
    fp::fsqrt_s    FsqrtS  "fsqrt.s"   F FRm1 Fp = rm1(0x2c, 0);
    fp::fsgnj_s    FsgnjS  "fsgnj.s"   F FR Fp = f(0x10, 0);
    fp::fsgnjn_s   FsgnjnS "fsgnjn.s"  F FR Fp = f(0x10, 1);
    fp::fsgnjx_s   FsgnjxS "fsgnjx.s"  F FR Fp = f(0x10, 2);
    fp::fmin_s     FminS   "fmin.s"    F FR Fp = f(0x14, 0);
    fp::fmax_s     FmaxS   "fmax.s"    F FR Fp = f(0x14, 1);
    fp::fcvt_w_s   FcvtWS  "fcvt.w.s"  F FToXRm Fp = rm1(0x60, 0);
    fp::fcvt_wu_s  FcvtWuS "fcvt.wu.s" F FToXRm Fp = rm1(0x60, 1);
    fp::fcvt_l_s   FcvtLS  "fcvt.l.s"  F FToXRm Fp = rm1(0x60, 2);
    fp::fcvt_lu_s  FcvtLuS "fcvt.lu.s" F FToXRm Fp = rm1(0x60, 3);
    fp::fmv_x_w    FmvXW   "fmv.x.w"   F FToX Fp = f1(0x70, 0, 0);
    fp::fclass_s   FclassS "fclass.s"  F FToX Fp = f1(0x70, 0, 1);
    fp::feq_s      FeqS    "feq.s"     F FCmp Fp = f(0x50, 2);
    fp::flt_s      FltS    "flt.s"     F FCmp Fp = f(0x50, 1);
    fp::fle_s      FleS    "fle.s"     F FCmp Fp = f(0x50, 0);
    fp::fcvt_s_w   FcvtSW  "fcvt.s.w"  F XToFRm Fp = rm1(0x68, 0);
    fp::fcvt_s_wu  FcvtSWu "fcvt.s.wu" F XToFRm Fp = rm1(0x68, 1);
    fp::fcvt_s_l   FcvtSL  "fcvt.s.l"  F XToFRm Fp = rm1(0x68, 2);
    fp::fcvt_s_lu  FcvtSLu "fcvt.s.lu" F XToFRm Fp = rm1(0x68, 3);
    fp::fmv_w_x    FmvWX   "fmv.w.x"   F XToF Fp = f1(0x78, 0, 0);
    // D
    fp::fld        Fld     "fld"       D FLoad Load   = i(0x07, 3);
    fp::fsd        Fsd     "fsd"       D FStore Store = i(0x27, 3);
    fp::fmadd_d    FmaddD  "fmadd.d"   D FR4 Fp = r4(0x43, 1);
    fp::fmsub_d    FmsubD  "fmsub.d"   D FR4 Fp = r4(0x47, 1);
    fp::fnmsub_d   FnmsubD "fnmsub.d"  D FR4 Fp = r4(0x4b, 1);
    fp::fnmadd_d   FnmaddD "fnmadd.d"  D FR4 Fp = r4(0x4f, 1);
    fp::fadd_d     FaddD   "fadd.d"    D FRm Fp = rm(0x01);
    fp::fsub_d     FsubD   "fsub.d"    D FRm Fp = rm(0x05);
    fp::fmul_d     FmulD   "fmul.d"    D FRm Fp = rm(0x09);
    fp::fdiv_d     FdivD   "fdiv.d"    D FRm Fp = rm(0x0d);
    fp::fsqrt_d    FsqrtD  "fsqrt.d"   D FRm1 Fp = rm1(0x2d, 0);
    fp::fsgnj_d    FsgnjD  "fsgnj.d"   D FR Fp = f(0x11, 0);
    fp::fsgnjn_d   FsgnjnD "fsgnjn.d"  D FR Fp = f(0x11, 1);
    fp::fsgnjx_d   FsgnjxD "fsgnjx.d"  D FR Fp = f(0x11, 2);
    fp::fmin_d     FminD   "fmin.d"    D FR Fp = f(0x15, 0);
    fp::fmax_d     FmaxD   "fmax.d"    D FR Fp = f(0x15, 1);
    fp::fcvt_s_d   FcvtSD  "fcvt.s.d"  D FRm1 Fp = rm1(0x20, 1);
    fp::fcvt_d_s   FcvtDS  "fcvt.d.s"  D FRm1 Fp = rm1(0x21, 0);
    fp::feq_d      FeqD    "feq.d"     D FCmp Fp = f(0x51, 2);
    fp::flt_d      FltD    "flt.d"     D FCmp Fp = f(0x51, 1);
    fp::fle_d      FleD    "fle.d"     D FCmp Fp = f(0x51, 0);
    fp::fclass_d   FclassD "fclass.d"  D FToX Fp = f1(0x71, 0, 1);
    fp::fcvt_w_d   FcvtWD  "fcvt.w.d"  D FToXRm Fp = rm1(0x61, 0);
    fp::fcvt_wu_d  FcvtWuD "fcvt.wu.d" D FToXRm Fp = rm1(0x61, 1);
    fp::fcvt_l_d   FcvtLD  "fcvt.l.d"  D FToXRm Fp = rm1(0x61, 2);
    fp::fcvt_lu_d  FcvtLuD "fcvt.lu.d" D FToXRm Fp = rm1(0x61, 3);
    fp::fmv_x_d    FmvXD   "fmv.x.d"   D FToX Fp = f1(0x71, 0, 0);
    fp::fcvt_d_w   FcvtDW  "fcvt.d.w"  D XToFRm Fp = rm1(0x69, 0);
    fp::fcvt_d_wu  FcvtDWu "fcvt.d.wu" D XToFRm Fp = rm1(0x69, 1);
    fp::fcvt_d_l   FcvtDL  "fcvt.d.l"  D XToFRm Fp = rm1(0x69, 2);
    fp::fcvt_d_lu  FcvtDLu "fcvt.d.lu" D XToFRm Fp = rm1(0x69, 3);
    fp::fmv_d_x    FmvDX   "fmv.d.x"   D XToF Fp = f1(0x79, 0, 0);
    // Zba
    b::add_uw     AddUw    "add.uw"    Zba R Alu = r(0x3b, 0, 0x04);
    b::sh1add     Sh1add   "sh1add"    Zba R Alu = r(0x33, 2, 0x10);
    b::sh2add     Sh2add   "sh2add"    Zba R Alu = r(0x33, 4, 0x10);
    b::sh3add     Sh3add   "sh3add"    Zba R Alu = r(0x33, 6, 0x10);
    b::sh1add_uw  Sh1addUw "sh1add.uw" Zba R Alu = r(0x3b, 2, 0x10);
    b::sh2add_uw  Sh2addUw "sh2add.uw" Zba R Alu = r(0x3b, 4, 0x10);
    b::sh3add_uw  Sh3addUw "sh3add.uw" Zba R Alu = r(0x3b, 6, 0x10);
    b::slli_uw    SlliUw   "slli.uw"   Zba Shift Alu = sh(0x1b, 1, 0x02);
    // Zbb
    b::andn    Andn   "andn"   Zbb R Alu = r(0x33, 7, 0x20);
    b::orn     Orn    "orn"    Zbb R Alu = r(0x33, 6, 0x20);
    b::xnor    Xnor   "xnor"   Zbb R Alu = r(0x33, 4, 0x20);
    b::clz     Clz    "clz"    Zbb R1 Alu = un(0x13, 1, 0x600);
    b::ctz     Ctz    "ctz"    Zbb R1 Alu = un(0x13, 1, 0x601);
    b::cpop    Cpop   "cpop"   Zbb R1 Alu = un(0x13, 1, 0x602);
    b::clzw    Clzw   "clzw"   Zbb R1 Alu = un(0x1b, 1, 0x600);
    b::ctzw    Ctzw   "ctzw"   Zbb R1 Alu = un(0x1b, 1, 0x601);
    b::cpopw   Cpopw  "cpopw"  Zbb R1 Alu = un(0x1b, 1, 0x602);
    b::max     Max    "max"    Zbb R Alu = r(0x33, 6, 0x05);
    b::maxu    Maxu   "maxu"   Zbb R Alu = r(0x33, 7, 0x05);
    b::min     Min    "min"    Zbb R Alu = r(0x33, 4, 0x05);
    b::minu    Minu   "minu"   Zbb R Alu = r(0x33, 5, 0x05);
    b::sext_b  SextB  "sext.b" Zbb R1 Alu = un(0x13, 1, 0x604);
    b::sext_h  SextH  "sext.h" Zbb R1 Alu = un(0x13, 1, 0x605);
    b::zext_h  ZextH  "zext.h" Zbb R1 Alu = un(0x3b, 4, 0x080);
    b::rol     Rol    "rol"    Zbb R Alu = r(0x33, 1, 0x30);
    b::ror     Ror    "ror"    Zbb R Alu = r(0x33, 5, 0x30);
    b::rori    Rori   "rori"   Zbb Shift Alu = sh(0x13, 5, 0x18);
    b::rolw    Rolw   "rolw"   Zbb R Alu = r(0x3b, 1, 0x30);
    b::rorw    Rorw   "rorw"   Zbb R Alu = r(0x3b, 5, 0x30);
    b::roriw   Roriw  "roriw"  Zbb ShiftW Alu = r(0x1b, 5, 0x30);
    b::orc_b   OrcB   "orc.b"  Zbb R1 Alu = un(0x13, 5, 0x287);
    b::rev8    Rev8   "rev8"   Zbb R1 Alu = un(0x13, 5, 0x6b8);
    // Zbs
    b::bclr    Bclr   "bclr"   Zbs R Alu = r(0x33, 1, 0x24);
    b::bclri   Bclri  "bclri"  Zbs Shift Alu = sh(0x13, 1, 0x12);
    b::bext    Bext   "bext"   Zbs R Alu = r(0x33, 5, 0x24);
    b::bexti   Bexti  "bexti"  Zbs Shift Alu = sh(0x13, 5, 0x12);
    b::binv    Binv   "binv"   Zbs R Alu = r(0x33, 1, 0x34);
    b::binvi   Binvi  "binvi"  Zbs Shift Alu = sh(0x13, 1, 0x1a);
    b::bset    Bset   "bset"   Zbs R Alu = r(0x33, 1, 0x14);
    b::bseti   Bseti  "bseti"  Zbs Shift Alu = sh(0x13, 1, 0x0a);
    // Zicond
    b::czero_eqz CzeroEqz "czero.eqz" Zicond R Alu = r(0x33, 5, 0x07);
    b::czero_nez CzeroNez "czero.nez" Zicond R Alu = r(0x33, 7, 0x07);
    // Zicbom, Zicboz, Zicbop
    system::call  CboInval "cbo.inval" Zicbom Cbo System = cbo(0);
    system::call  CboClean "cbo.clean" Zicbom Cbo System = cbo(1);
    system::call  CboFlush "cbo.flush" Zicbom Cbo System = cbo(2);
    system::call  CboZero  "cbo.zero"  Zicboz Cbo System = cbo(4);
    // Zawrs
    system::call  WrsNto "wrs.nto" Zawrs Plain System = exact(0x00d0_0073);
    system::call  WrsSto "wrs.sto" Zawrs Plain System = exact(0x01d0_0073);
    // Privileged architecture and Svinval
    system::call  Sret   "sret" Priv Plain System = exact(0x1020_0073);
    system::call  Mret   "mret" Priv Plain System = exact(0x3020_0073);
    system::call  Wfi    "wfi"  Priv Plain System = exact(0x1050_0073);
    system::call  SfenceVma  "sfence.vma"  Priv FenceVma System = fence_vma(0x09);
    system::call  SinvalVma  "sinval.vma"  Svinval FenceVma System = fence_vma(0x0b);
    system::call  SfenceWInval "sfence.w.inval"  Svinval Plain System = exact(0x1800_0073);
    system::call  SfenceInvalIr "sfence.inval.ir" Svinval Plain System = exact(0x1810_0073);
} }

/// Encodings that lie inside another row's: hints that the standard names. They are looked at
/// before the table.
#[rustfmt::skip]
pub(super) const HINTS: &[(&str, Extension, Encoding)] = &[
    ("prefetch.i", Extension::Zicbop, prefetch(0)),
    ("prefetch.r", Extension::Zicbop, prefetch(1)),
    ("prefetch.w", Extension::Zicbop, prefetch(3)),
    ("pause", Extension::Zihintpause, exact(0x0100_000f)),
];

// The table proves itself: no two rows fix the same bits, every value lies in its mask, and the
// position of a row is its number.
const _: () = {
    let mut a = 0;
    while a < ROWS.len() {
        assert!(ROWS[a].op as usize == a, "a row out of order");
        assert!(ROWS[a].bits & !ROWS[a].mask == 0, "bits outside the mask");
        assert!(
            ROWS[a].mask & 3 == 3 && ROWS[a].bits & 3 == 3,
            "not a 32-bit encoding"
        );
        let mut b = a + 1;
        while b < ROWS.len() {
            let common = ROWS[a].mask & ROWS[b].mask;
            assert!(
                ROWS[a].bits & common != ROWS[b].bits & common,
                "two rows overlap"
            );
            b += 1;
        }
        a += 1;
    }
};
