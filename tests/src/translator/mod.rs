//! A second back end for the instructions' meaning: it emits wasm.
//!
//! It shows that the one definition in `isa` serves a translator as it serves the interpreter,
//! for I, M, C and B. It is no JIT: a block is straight code with one exit, guest memory is one
//! flat window, and every access is checked against its bounds.
//!
//! Memory of the module, which is all that host and block share:
//!
//! ```text
//! 0x0000  x0 to x31
//! 0x0100  pc: where the block leads, or the instruction that traps
//! 0x0108  0, or the trap's cause plus one
//! 0x0110  the trap's value
//! 0x1000  the window
//! ```

pub mod blocks;
mod emit;
mod wide;

use virtarium_machine::isa::decode::{decode, length};
use virtarium_machine::isa::{Class, Extension, Inst, execute};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    MemoryType, Module, TypeSection,
};

use emit::Emit;

/// Offset of `pc` in the module's memory; the registers are before it.
pub const PC: u64 = 0x100;
/// Offset of the trap's cause plus one; 0 if there was none.
pub const CAUSE: u64 = 0x108;
/// Offset of the trap's value.
pub const TVAL: u64 = 0x110;
/// Offset of the window.
pub const WINDOW: u64 = 0x1000;

/// The guest memory that blocks may read and write. Everything else traps.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The guest's address of its first byte.
    pub at: u64,
    /// Its length in bytes.
    pub size: u64,
}

/// Whether this back end takes the instruction on; another ends the block before it.
#[must_use]
pub fn takes(inst: &Inst) -> bool {
    let Some(row) = inst.row() else {
        return false;
    };
    let integer = matches!(
        row.extension,
        Extension::I
            | Extension::M
            | Extension::Zba
            | Extension::Zbb
            | Extension::Zbs
            | Extension::Zicond
    );
    integer && !matches!(row.class, Class::System)
}

/// An instruction of a block with its place.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// What it does.
    pub inst: Inst,
    /// Its bits: the low 16 of a compressed one.
    pub bits: u32,
    /// Its address.
    pub pc: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Decodes code up to the first instruction that leaves straight line, or before the first that
/// is not taken on.
#[must_use]
pub fn scan(mut pc: u64, mut code: &[u8]) -> Vec<Placed> {
    let mut found = Vec::new();
    while let Some((low, rest)) = code.split_first_chunk() {
        let low = u32::from(u16::from_le_bytes(*low));
        let (bits, rest) = match (length(low), rest.split_first_chunk()) {
            (2, _) => (low, rest),
            (_, Some((high, rest))) => (low | u32::from(u16::from_le_bytes(*high)) << 16, rest),
            (_, None) => break,
        };
        let inst = decode(bits);
        if !takes(&inst) {
            break;
        }
        let length = length(bits);
        found.push(Placed {
            inst,
            bits,
            pc,
            length,
        });
        if inst
            .row()
            .is_some_and(|row| matches!(row.class, Class::Branch | Class::Jump))
        {
            break;
        }
        pc = pc.wrapping_add(length);
        code = rest;
    }
    found
}

/// A wasm module with one exported function for each block, named by its number in decimal. It
/// imports the memory as `env.memory`.
///
/// # Panics
/// If an instruction of a block is not [taken on](takes).
#[must_use]
pub fn translate(blocks: &[Vec<Placed>], window: Window) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    let memory = MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    imports.import("env", "memory", EntityType::Memory(memory));
    let (mut functions, mut exports) = (FunctionSection::new(), ExportSection::new());
    let mut code = CodeSection::new();
    for (number, block) in (0..).zip(blocks) {
        functions.function(0);
        exports.export(&number.to_string(), ExportKind::Func, number);
        code.function(&function(block, window));
    }
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&exports)
        .section(&code);
    module.finish()
}

fn function(block: &[Placed], window: Window) -> Function {
    let mut emit = Emit::new(block, window);
    for placed in block {
        emit.begin(placed);
        // `scan` lets through nothing that is not taken on.
        let done = execute(&mut emit, &placed.inst);
        assert!(done.is_ok(), "{placed:?}");
    }
    emit.finish()
}
