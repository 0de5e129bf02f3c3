//! Random instruction batches: what they are made of, how they run, and how two runs compare.
//!
//! A batch is one image of guest memory: a [`runner`] in machine mode that loads every register
//! from a block's record, enters the block in some privilege, and, when the block traps into
//! machine mode, saves every register, the window of memory that blocks may write, and the page
//! table entries over it. The image needs nothing of the machine that it runs in but RAM and the
//! test finisher, so that the same bytes run in QEMU and here; the saved states are compared.

pub mod asm;
pub mod block;
mod compressed;
mod csrs;
mod draw;
pub mod known;
mod layout;
pub mod pairs;
pub mod qemu;
mod report;
pub mod runner;
mod state;
pub mod values;

pub use layout::{RAM_SIZE, RECORD, SIGNATURE};
pub use report::compare;

use virtarium_machine::arena::Heap;
use virtarium_machine::boot::{Boot, Firmware};
use virtarium_machine::host::NoHost;
use virtarium_machine::machine::{Exit, Machine, MachineConfig};
use virtarium_machine::mem::{PhysAddr, RAM_BASE};
use virtarium_machine::time::Nanos;

/// What a machine left behind.
pub struct Ran {
    /// The bytes that were asked for.
    pub bytes: Vec<u8>,
    /// Instructions, traps included; 0 where the machine does not say.
    pub steps: u64,
}

/// Instructions after which an image counts as hung: many times what the longest needs.
const LIMIT: u64 = 200_000_000;

/// Runs an image, which begins with RAM, until it uses the test finisher, and returns `len`
/// bytes from `from` on.
///
/// # Errors
/// Where the image does not end by itself: how many blocks were left to begin, and the state in
/// words.
pub fn run_here(image: &[u8], from: u64, len: usize) -> Result<Ran, (u64, String)> {
    run_in_slices(image, from, len, || LIMIT)
}

/// The same, no more instructions at a time than `slice` says.
///
/// # Errors
/// As [`run_here`].
pub fn run_in_slices(
    image: &[u8],
    from: u64,
    len: usize,
    mut slice: impl FnMut() -> u64,
) -> Result<Ran, (u64, String)> {
    let config = MachineConfig {
        ram_size: RAM_SIZE,
        boot: Boot {
            firmware: Firmware::None,
            loads: vec![(RAM_BASE, image.to_vec())],
            ..Boot::default()
        },
        ..MachineConfig::default()
    };
    let storage = Heap::for_ram(RAM_SIZE).expect("memory for a machine");
    let mut machine = Machine::new(config, storage).expect("a machine from an image");
    let exit = loop {
        let exit = machine.run(slice(), Nanos(0), &mut NoHost);
        if exit != Exit::Budget || machine.instructions() >= LIMIT {
            break exit;
        }
    };
    let mut bytes = vec![0; len];
    let memory = machine.memory();
    memory.read(PhysAddr(from), &mut bytes).expect("in RAM");
    if exit != (Exit::PowerOff { code: 0 }) {
        let mut left = [0; 8];
        let read = memory.read(PhysAddr(layout::GLOBALS + 16), &mut left);
        read.expect("in RAM");
        let hart = machine.hart(0).expect("one hart");
        let state = format!(
            "{exit:?} at {:#x} in {:?}, mcause {:#x} mepc {:#x} mtval {:#x}, scause {:#x} \
             sepc {:#x} stval {:#x}",
            hart.pc,
            hart.privilege,
            hart.csr.mcause,
            hart.csr.mepc,
            hart.csr.mtval,
            hart.csr.scause,
            hart.csr.sepc,
            hart.csr.stval
        );
        return Err((u64::from_le_bytes(left), state));
    }
    Ok(Ran {
        bytes,
        steps: machine.instructions(),
    })
}
