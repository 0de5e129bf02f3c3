//! The target description: which registers there are, by the names that gdb knows them.

use std::fmt::Write;

use virtarium_machine::cpu::csr_table;
use virtarium_machine::isa::disassemble::{f_name, x_name};
use virtarium_machine::machine::Machine;

/// gdb's own numbers: x0 to x31, pc, f0 to f31, the CSRs, the privilege.
const FIRST_FLOAT: usize = 33;
const FIRST_CSR: usize = 65;
const PRIVILEGE: usize = 4161;

/// The description of a machine's harts, as gdb's manual has it ("RISC-V Features").
pub fn xml(machine: &Machine) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n\
         <target version=\"1.0\">\n<architecture>riscv:rv64</architecture>\n\
         <feature name=\"org.gnu.gdb.riscv.cpu\">\n",
    );
    for number in 0..32 {
        let kind = match number {
            1 => "code_ptr",
            2..=4 | 8 => "data_ptr",
            _ => "int",
        };
        register(&mut out, x_name(number), 64, usize::from(number), kind);
    }
    register(&mut out, "pc", 64, 32, "code_ptr");
    out += "</feature>\n<feature name=\"org.gnu.gdb.riscv.fpu\">\n";
    for number in 0..32 {
        let at = FIRST_FLOAT + usize::from(number);
        register(&mut out, f_name(number), 64, at, "ieee_double");
    }
    // These three are CSRs that gdb expects among the others of the FPU.
    for number in 1..=3 {
        csr(&mut out, machine, number);
    }
    out += "</feature>\n<feature name=\"org.gnu.gdb.riscv.csr\">\n";
    for number in csr_table::numbers().filter(|number| *number > 3) {
        csr(&mut out, machine, number);
    }
    out += "</feature>\n<feature name=\"org.gnu.gdb.riscv.virtual\">\n";
    register(&mut out, "priv", 8, PRIVILEGE, "int");
    out += "</feature>\n</target>\n";
    out
}

fn csr(out: &mut String, machine: &Machine, number: u16) {
    if let Some(name) = csr_table::name(number)
        && machine.csr(0, number).is_some()
    {
        let at = FIRST_CSR + usize::from(number);
        register(out, &name.to_string(), 64, at, "int");
    }
}

fn register(out: &mut String, name: &str, bits: usize, number: usize, kind: &str) {
    let _ = writeln!(
        out,
        "<reg name=\"{name}\" bitsize=\"{bits}\" regnum=\"{number}\" type=\"{kind}\"/>"
    );
}
