//! Sequences of instructions that an interpreter carries out with one dispatch.
//!
//! A sequence has no meaning of its own: it is its parts, one after the other, so there is still
//! one definition of each instruction. Decoded code names a sequence in the slot of its first
//! part; the other parts keep slots of their own, so that code can be entered anywhere.

use super::table::{Op, SEQUENCES};
use super::{Backend, Inst};

/// An instruction of the table as a type, for code that is made for it alone.
pub trait Meaning {
    /// Whether it needs the floating-point unit.
    const FLOAT: bool;

    /// Carries it out; what `inst.op` says does not matter.
    ///
    /// # Errors
    /// If the back end cuts it short.
    fn execute<B: Backend>(b: &mut B, inst: &Inst) -> Result<(), B::Exit>;
}

/// A back end that runs over decoded code, where there are marks and sequences.
pub trait Decoded: Backend {
    /// See [`Op::Undecoded`].
    ///
    /// # Errors
    /// Always: this is no instruction.
    fn undecoded(&mut self) -> Result<(), Self::Exit>;

    /// See [`Op::Straddle`].
    ///
    /// # Errors
    /// Always: this is no instruction.
    fn straddle(&mut self) -> Result<(), Self::Exit>;

    /// Takes the slots of `parts` parts behind the first, if a sequence may run now. It may not
    /// if the run ends before; nor, with floating-point parts, unless the unit is on and in use,
    /// rounds to nearest even and has inexactness on record. The first part is then carried out
    /// by itself.
    fn fuse(&mut self, parts: usize, float: bool) -> bool;

    /// The first part of a sequence. Its rounding mode is to nearest even, however encoded.
    ///
    /// # Errors
    /// If it is cut short.
    fn first<M: Meaning>(&mut self, inst: &Inst) -> Result<(), Self::Exit>;

    /// The next of the parts that were taken.
    ///
    /// # Errors
    /// If it is cut short, or none is left.
    fn then<M: Meaning>(&mut self) -> Result<(), Self::Exit>;
}

/// The sequences by name, each with its parts. A part that may go elsewhere is the last.
///
/// Pairs are those that make up more than 0.2 % of what the programs of `guest/bench` and the
/// boot of Debian's kernel execute, on average, and threes more than 0.4 %. The single ones spare
/// looking at the state of the floating-point unit. The last are chosen by hand.
macro_rules! with_sequences {
    ($then:ident! { $($rest:tt)* }) => {
        $then! {
            sequences {
                // Floating point in its usual state.
                FmaddSFast = FmaddS;
                FmsubSFast = FmsubS;
                FnmsubSFast = FnmsubS;
                FnmaddSFast = FnmaddS;
                FaddSFast = FaddS;
                FsubSFast = FsubS;
                FmulSFast = FmulS;
                FdivSFast = FdivS;
                FsqrtSFast = FsqrtS;
                FmaddDFast = FmaddD;
                FmsubDFast = FmsubD;
                FnmsubDFast = FnmsubD;
                FnmaddDFast = FnmaddD;
                FaddDFast = FaddD;
                FsubDFast = FsubD;
                FmulDFast = FmulD;
                FdivDFast = FdivD;
                FsqrtDFast = FsqrtD;
                // Pairs.
                AuipcJalr = Auipc Jalr;
                LhLh = Lh Lh;
                LhAddi = Lh Addi;
                LdBeq = Ld Beq;
                LdLd = Ld Ld;
                LdSd = Ld Sd;
                LdAddi = Ld Addi;
                LdAdd = Ld Add;
                LdSltu = Ld Sltu;
                LbuBeq = Lbu Beq;
                LbuBne = Lbu Bne;
                LbuAddi = Lbu Addi;
                LbuAndi = Lbu Andi;
                SbAdd = Sb Add;
                SdJal = Sd Jal;
                SdBne = Sd Bne;
                SdLd = Sd Ld;
                SdSd = Sd Sd;
                SdAddi = Sd Addi;
                SdAdd = Sd Add;
                AddiJalr = Addi Jalr;
                AddiBeq = Addi Beq;
                AddiBne = Addi Bne;
                AddiLd = Addi Ld;
                AddiLbu = Addi Lbu;
                AddiSd = Addi Sd;
                AddiAddi = Addi Addi;
                AddiSltiu = Addi Sltiu;
                AddiAndi = Addi Andi;
                AddiSlli = Addi Slli;
                AddiAdd = Addi Add;
                AddiSub = Addi Sub;
                AddiMulw = Addi Mulw;
                AddiFaddD = Addi FaddD;
                AddiFmulD = Addi FmulD;
                SltiuAdd = Sltiu Add;
                XoriAnd = Xori And;
                AndiBeq = Andi Beq;
                AndiBne = Andi Bne;
                AndiSubw = Andi Subw;
                SlliSrli = Slli Srli;
                SlliAdd = Slli Add;
                SlliSub = Slli Sub;
                SlliXor = Slli Xor;
                SrliAdd = Srli Add;
                SrliXor = Srli Xor;
                SrliOr = Srli Or;
                AddAuipc = Add Auipc;
                AddJal = Add Jal;
                AddJalr = Add Jalr;
                AddBeq = Add Beq;
                AddBne = Add Bne;
                AddBgeu = Add Bgeu;
                AddLd = Add Ld;
                AddLbu = Add Lbu;
                AddAddi = Add Addi;
                AddSlli = Add Slli;
                AddSrli = Add Srli;
                AddAdd = Add Add;
                AddXor = Add Xor;
                AddMulhu = Add Mulhu;
                SubBltu = Sub Bltu;
                SubAdd = Sub Add;
                SltuSltu = Sltu Sltu;
                SltuSubw = Sltu Subw;
                XorSlli = Xor Slli;
                XorSrli = Xor Srli;
                XorAdd = Xor Add;
                XorAddiw = Xor Addiw;
                XorMul = Xor Mul;
                OrXori = Or Xori;
                AndXor = And Xor;
                AddiwBne = Addiw Bne;
                AddiwAddiw = Addiw Addiw;
                AddiwFmulD = Addiw FmulD;
                SrliwAnd = Srliw And;
                AddwBne = Addw Bne;
                SubwJalr = Subw Jalr;
                SubwSrliw = Subw Srliw;
                MulSrli = Mul Srli;
                MulAdd = Mul Add;
                MulhuSrli = Mulhu Srli;
                MulwAddw = Mulw Addw;
                FldAddi = Fld Addi;
                FldFld = Fld Fld;
                FldFsubD = Fld FsubD;
                FsdBne = Fsd Bne;
                FsdFsd = Fsd Fsd;
                FaddDBeq = FaddD Beq;
                FaddDFsd = FaddD Fsd;
                FaddDFaddD = FaddD FaddD;
                FaddDFsubD = FaddD FsubD;
                FaddDFltD = FaddD FltD;
                FsubDAddiw = FsubD Addiw;
                FsubDFsubD = FsubD FsubD;
                FmulDAddi = FmulD Addi;
                FmulDFaddD = FmulD FaddD;
                FmulDFmulD = FmulD FmulD;
                FltDBeq = FltD Beq;
                // Threes.
                LhLhAddi = Lh Lh Addi;
                LhAddiAddi = Lh Addi Addi;
                LdLdLd = Ld Ld Ld;
                LdLdAddi = Ld Ld Addi;
                LdAddiSd = Ld Addi Sd;
                LbuAddiSltiu = Lbu Addi Sltiu;
                SbAddAdd = Sb Add Add;
                SdLdAddi = Sd Ld Addi;
                SdSdSd = Sd Sd Sd;
                SdSdAddi = Sd Sd Addi;
                SdAddiAdd = Sd Addi Add;
                AddiSdLd = Addi Sd Ld;
                AddiSdSd = Addi Sd Sd;
                AddiSdAddi = Addi Sd Addi;
                AddiAddiSd = Addi Addi Sd;
                AddiAddiMulw = Addi Addi Mulw;
                AddiSltiuAdd = Addi Sltiu Add;
                AddiMulwAddw = Addi Mulw Addw;
                AddiFaddDFsd = Addi FaddD Fsd;
                AddiFmulDAddi = Addi FmulD Addi;
                SltiuAddBne = Sltiu Add Bne;
                AndiSubwSrliw = Andi Subw Srliw;
                SrliAddXor = Srli Add Xor;
                SrliXorMul = Srli Xor Mul;
                AddAddBgeu = Add Add Bgeu;
                AddAddAdd = Add Add Add;
                XorAddiwAddiw = Xor Addiw Addiw;
                AndXorAddiw = And Xor Addiw;
                AddiwAddiwBne = Addiw Addiw Bne;
                AddiwFmulDFaddD = Addiw FmulD FaddD;
                SrliwAndXor = Srliw And Xor;
                SubwSrliwAnd = Subw Srliw And;
                MulwAddwBne = Mulw Addw Bne;
                FldAddiFmulD = Fld Addi FmulD;
                FldFldAddi = Fld Fld Addi;
                FldFldFld = Fld Fld Fld;
                FaddDFsdBne = FaddD Fsd Bne;
                FaddDFaddDBeq = FaddD FaddD Beq;
                FaddDFsubDAddiw = FaddD FsubD Addiw;
                FaddDFltDBeq = FaddD FltD Beq;
                FsubDAddiwFmulD = FsubD Addiw FmulD;
                FmulDAddiFaddD = FmulD Addi FaddD;
                FmulDFaddDFaddD = FmulD FaddD FaddD;
                FmulDFaddDFltD = FmulD FaddD FltD;
                FmulDFmulDFaddD = FmulD FmulD FaddD;
                FmulDFmulDFmulD = FmulD FmulD FmulD;
                // y[n] += a * x[n], as compilers write it; stores in a loop; ends of functions.
                FldFldAddiFmulD = Fld Fld Addi FmulD;
                FldFldAddiFmaddD = Fld Fld Addi FmaddD;
                AddiFaddDFsdBne = Addi FaddD Fsd Bne;
                AddiFsdAddiBne = Addi Fsd Addi Bne;
                AddiFsdBne = Addi Fsd Bne;
                LdLdLdLd = Ld Ld Ld Ld;
                SdSdSdSd = Sd Sd Sd Sd;
            }
            $($rest)*
        }
    };
}
pub(super) use with_sequences;

/// Where the sequences of each first part begin in [`BY_FIRST`].
const STARTS: [u8; TABLE_LEN + 1] = {
    let mut starts = [0; TABLE_LEN + 1];
    let mut index = 0;
    while index < SEQUENCES.len() {
        starts[SEQUENCES[index].1[0] as usize + 1] += 1;
        index += 1;
    }
    let mut op = 0;
    while op < TABLE_LEN {
        starts[op + 1] += starts[op];
        op += 1;
    }
    starts
};

const TABLE_LEN: usize = super::table::ROWS.len();

/// Numbers of sequences, by first part.
static BY_FIRST: [u8; SEQUENCES.len()] = {
    let mut order = [0; SEQUENCES.len()];
    let mut next = STARTS;
    let mut index = 0;
    while index < SEQUENCES.len() {
        let first = SEQUENCES[index].1[0] as usize;
        order[next[first] as usize] = index as u8;
        next[first] += 1;
        index += 1;
    }
    order
};

/// The longest sequence that begins these instructions.
pub fn longest<'a>(insts: impl Iterator<Item = &'a Inst> + Clone) -> Option<Op> {
    let first = insts.clone().next()?.op as usize;
    let (from, to) = (*STARTS.get(first)?, *STARTS.get(first + 1)?);
    BY_FIRST
        .get(usize::from(from)..usize::from(to))?
        .iter()
        .filter_map(|&number| SEQUENCES.get(usize::from(number)))
        .filter(|(_, parts)| {
            let mut insts = insts.clone();
            parts.iter().all(|&part| {
                insts
                    .next()
                    .is_some_and(|inst| inst.op == part && rounds_to_nearest(inst))
            })
        })
        .max_by_key(|(_, parts)| parts.len())
        .map(|&(name, _)| name)
}

/// Whether the rounding mode is to nearest even or that of `frm`. Instructions without one have
/// a zero there.
fn rounds_to_nearest(inst: &Inst) -> bool {
    inst.rm == 0 || inst.rm == 7
}

/// The number of the first sequence among the [`Op`]s, where they follow one another.
const FIRST: usize = SEQUENCES[0].0 as usize;

/// The instruction in a slot, whatever sequence begins there.
pub fn first_part(op: Op) -> Op {
    (op as usize)
        .checked_sub(FIRST)
        .and_then(|number| SEQUENCES.get(number))
        .and_then(|(_, parts)| parts.first().copied())
        .unwrap_or(op)
}

// What may go elsewhere ends a sequence, and the number of a sequence fits in a byte.
const _: () = {
    assert!(SEQUENCES.len() < 256);
    let mut index = 0;
    while index < SEQUENCES.len() {
        let parts = SEQUENCES[index].1;
        let mut part = 0;
        while part + 1 < parts.len() {
            assert!(
                !super::table::ROWS[parts[part] as usize]
                    .class
                    .goes_elsewhere()
            );
            part += 1;
        }
        index += 1;
    }
};
