//! Every CSR that exists: number, name, and what is behind it.

use core::fmt;

/// What is behind a CSR number. Where it stands for several CSRs, the position in the row tells
/// them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the CSR of its name")]
pub enum Register {
    /// Reads as zero; writes, where the number permits them, change nothing.
    Zero,
    Fflags,
    Frm,
    Fcsr,
    Cycle,
    Time,
    Instret,
    /// `hpmcounter3` and on: nothing is counted.
    HpmCounter,
    Sstatus,
    Sie,
    Stvec,
    Scounteren,
    Senvcfg,
    Sscratch,
    Sepc,
    Scause,
    Stval,
    Sip,
    Stimecmp,
    Satp,
    Mhartid,
    Mstatus,
    Misa,
    Medeleg,
    Mideleg,
    Mie,
    Mtvec,
    Mcounteren,
    Menvcfg,
    Mcountinhibit,
    Mscratch,
    Mepc,
    Mcause,
    Mtval,
    Mip,
    /// Eight entries each: `pmpcfg0`, `pmpcfg2`, and so on.
    Pmpcfg,
    Pmpaddr,
    Mcycle,
    Minstret,
}

use Register::*;

/// A row of the table: a CSR, or several that are alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The number of the first.
    pub number: u16,
    /// How many there are.
    pub count: u16,
    /// From one number to the next, and from one index to the next.
    pub step: u16,
    /// The name, without the index.
    pub stem: &'static str,
    /// The index of the first, for CSRs whose name has one.
    pub index: Option<u16>,
    /// What is behind it.
    pub register: Register,
}

const fn one(number: u16, stem: &'static str, register: Register) -> Row {
    Row {
        number,
        count: 1,
        step: 1,
        stem,
        index: None,
        register,
    }
}

const fn many(
    number: u16,
    stem: &'static str,
    index: u16,
    count: u16,
    step: u16,
    register: Register,
) -> Row {
    Row {
        number,
        count,
        step,
        stem,
        index: Some(index),
        register,
    }
}

/// The table, ascending by number (privileged architecture, tables 3 to 8).
///
/// Not in it, so illegal: the CSRs of V, H, Sscofpmf, Smaia, Smstateen, Smepmp, Smrnmi, the odd
/// `pmpcfg` and the high halves, which RV64 does not have.
pub const TABLE: &[Row] = &[
    one(0x001, "fflags", Fflags),
    one(0x002, "frm", Frm),
    one(0x003, "fcsr", Fcsr),
    one(0x100, "sstatus", Sstatus),
    one(0x104, "sie", Sie),
    one(0x105, "stvec", Stvec),
    one(0x106, "scounteren", Scounteren),
    one(0x10a, "senvcfg", Senvcfg),
    one(0x140, "sscratch", Sscratch),
    one(0x141, "sepc", Sepc),
    one(0x142, "scause", Scause),
    one(0x143, "stval", Stval),
    one(0x144, "sip", Sip),
    one(0x14d, "stimecmp", Stimecmp),
    one(0x180, "satp", Satp),
    one(0x300, "mstatus", Mstatus),
    one(0x301, "misa", Misa),
    one(0x302, "medeleg", Medeleg),
    one(0x303, "mideleg", Mideleg),
    one(0x304, "mie", Mie),
    one(0x305, "mtvec", Mtvec),
    one(0x306, "mcounteren", Mcounteren),
    one(0x30a, "menvcfg", Menvcfg),
    one(0x320, "mcountinhibit", Mcountinhibit),
    many(0x323, "mhpmevent", 3, 29, 1, Zero),
    one(0x340, "mscratch", Mscratch),
    one(0x341, "mepc", Mepc),
    one(0x342, "mcause", Mcause),
    one(0x343, "mtval", Mtval),
    one(0x344, "mip", Mip),
    many(0x3a0, "pmpcfg", 0, 8, 2, Pmpcfg),
    many(0x3b0, "pmpaddr", 0, 64, 1, Pmpaddr),
    // Sdtrig without a trigger: the type in tdata1 is 0.
    one(0x7a0, "tselect", Zero),
    many(0x7a1, "tdata", 1, 3, 1, Zero),
    one(0xb00, "mcycle", Mcycle),
    one(0xb02, "minstret", Minstret),
    many(0xb03, "mhpmcounter", 3, 29, 1, Zero),
    one(0xc00, "cycle", Cycle),
    one(0xc01, "time", Time),
    one(0xc02, "instret", Instret),
    many(0xc03, "hpmcounter", 3, 29, 1, HpmCounter),
    one(0xf11, "mvendorid", Zero),
    one(0xf12, "marchid", Zero),
    one(0xf13, "mimpid", Zero),
    one(0xf14, "mhartid", Mhartid),
    one(0xf15, "mconfigptr", Zero),
];

/// For each number the position of its row plus one, or zero.
const ROWS: [u8; 4096] = {
    let mut rows = [0; 4096];
    let mut row = 0;
    while row < TABLE.len() {
        let mut nth = 0;
        while nth < TABLE[row].count {
            let number = (TABLE[row].number + nth * TABLE[row].step) as usize;
            assert!(rows[number] == 0, "one row for each number");
            rows[number] = row as u8 + 1;
            nth += 1;
        }
        row += 1;
    }
    rows
};

const _: () = assert!(TABLE.len() < 255);

/// The row of a number, and the position in it; `None` for a CSR that does not exist.
#[inline]
pub fn find(number: u16) -> Option<(&'static Row, u16)> {
    let row = *ROWS.get(number as usize)?;
    let row = TABLE.get((row as usize).checked_sub(1)?)?;
    Some((row, (number - row.number) / row.step))
}

/// The name of a CSR as assembly spells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    stem: &'static str,
    index: Option<u16>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stem)?;
        self.index.map_or(Ok(()), |index| write!(f, "{index}"))
    }
}

/// The name of a number, `None` for a CSR that does not exist.
///
/// ```
/// use virtarium_machine::cpu::csr_table::name;
/// assert_eq!(name(0x3b7).unwrap().to_string(), "pmpaddr7");
/// assert!(name(0x200).is_none());
/// ```
pub fn name(number: u16) -> Option<Name> {
    let (row, nth) = find(number)?;
    Some(Name {
        stem: row.stem,
        index: row.index.map(|first| first + nth * row.step),
    })
}

/// The number of a name, `None` if no CSR has it.
pub fn number(name: &str) -> Option<u16> {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, index) = name.split_at(digits);
    let row = TABLE
        .iter()
        .find(|row| row.stem == stem && row.index.is_none() == index.is_empty())?;
    let Some(first) = row.index else {
        return Some(row.number);
    };
    let offset = index.parse::<u16>().ok()?.checked_sub(first)?;
    (offset.is_multiple_of(row.step) && offset / row.step < row.count).then(|| row.number + offset)
}

/// The numbers of all CSRs, ascending within a row.
pub fn numbers() -> impl Iterator<Item = u16> {
    TABLE
        .iter()
        .flat_map(|row| (0..row.count).map(move |nth| row.number + nth * row.step))
}
