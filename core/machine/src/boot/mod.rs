//! What is in memory when a machine is switched on, and where it begins.
//!
//! [`plan`] turns files into segments of memory, a reset ROM and the state of the boot hart. It
//! is a function of its inputs and touches no machine. The files are hostile: whatever is in
//! them, the outcome is a plan or an error that names the file, in time and memory bounded by
//! the sizes of the files and of RAM.

pub mod elf;
pub mod image;
pub mod packed;
mod place;
mod reset;
#[cfg(test)]
pub(crate) mod samples;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use self::elf::{Elf, Load, Symbols};
use self::image::Program;
use self::place::Placement;
use crate::error::ConfigError;
use crate::fdt::{self, Description, Mmu, View};
use crate::map::RESET_VECTOR;
use crate::mem::RAM_BASE;

/// Where a kernel begins above firmware, in bytes from the start of RAM: the next page of the
/// second level of the page tables.
pub const KERNEL_OFFSET: u64 = 0x20_0000;

const PAGE: u64 = 4096;
const BIG_PAGE: u64 = 2 << 20;
/// As QEMU: kernels and firmware reach a device tree below 3 GiB however they map memory.
const DTB_LIMIT: u64 = 3 << 30;
/// As QEMU: the initial RAM disk lies this far above the kernel at most.
const INITRD_DISTANCE: u64 = 512 << 20;

const A0: u8 = 10;
const A1: u8 = 11;

/// The files that a machine starts with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Boot {
    /// `Image` (plain, in gzip, zstd or EFI zboot), ELF, or machine code without a header.
    pub kernel: Option<Vec<u8>>,
    /// The initial RAM disk, as it is.
    pub initrd: Option<Vec<u8>>,
    /// The kernel's command line.
    pub append: String,
    /// A flattened device tree to use in place of the generated one.
    pub dtb: Option<Vec<u8>>,
    /// What runs below the kernel.
    pub firmware: Firmware,
    /// Further files by physical address; those that are ELF lie where they say.
    pub loads: Vec<(u64, Vec<u8>)>,
}

/// What runs in M-mode.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Firmware {
    /// The SBI of this crate: the kernel begins in S-mode.
    #[default]
    BuiltIn,
    /// Nothing: the kernel itself begins in M-mode.
    None,
    /// This file: machine code for the start of RAM, or ELF.
    Image(Vec<u8>),
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct BootInputs<'a> {
    /// The files.
    pub boot: &'a Boot,
    /// Bytes of RAM.
    pub ram_size: u64,
    /// Number of harts.
    pub harts: usize,
    /// ISA extensions, as [`Description::extensions`].
    pub extensions: &'a [&'a str],
    /// The largest translation scheme.
    pub mmu: Mmu,
    /// Entropy for the guest.
    pub rng_seed: [u8; 32],
}

/// The mode in which harts begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StartMode {
    /// Every hart begins, in M-mode.
    Machine,
    /// Hart 0 begins, in S-mode over the built-in SBI; the others are stopped.
    Supervisor,
}

/// A part of memory to fill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Whose it is, for messages.
    pub what: &'static str,
    /// The bytes, where they go, and how many zeroes follow. Lies in RAM and overlaps no other.
    pub load: Load<'a>,
}

/// What to do before the first instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan<'a> {
    /// What is in memory. The rest of it is zero.
    pub segments: Vec<Segment<'a>>,
    /// The contents of the reset ROM.
    pub rom: Vec<u8>,
    /// Which harts begin, and in which mode.
    pub mode: StartMode,
    /// Where they begin.
    pub entry: u64,
    /// Integer registers that are not zero then: number and value.
    pub registers: Vec<(u8, u64)>,
    /// Where the device tree lies.
    pub dtb: u64,
    /// Symbols of an ELF kernel.
    pub symbols: Symbols,
}

/// Decides what lies where and where to begin.
///
/// Errors are [`ConfigError::Image`] with the file and what is wrong with it.
pub fn plan<'a>(inputs: &BootInputs<'a>) -> Result<Plan<'a>, ConfigError> {
    let boot = inputs.boot;
    let mut planner = Planner::new(inputs)?;

    if let Firmware::Image(bytes) = &boot.firmware {
        let firmware = planner.read("firmware", bytes)?;
        planner.put(firmware, 0)?;
    }
    let beneath = planner.entry.take();
    let above = planner.kernel_base(&boot.firmware);
    if let Some(bytes) = &boot.kernel {
        let kernel = planner.read("kernel", bytes)?;
        planner.put(kernel, above)?;
    }
    let kernel = planner.entry.take();
    let files = planner.segments.len();
    for (at, bytes) in &boot.loads {
        planner.put_file(*at, bytes)?;
    }
    let loaded = planner.loaded(kernel, files, &boot.firmware)?;
    let dtb = planner.finish(loaded)?;

    let (entry, next) = match beneath {
        Some(firmware) => (firmware, loaded.unwrap_or(0)),
        // Nothing in memory would be an error by now.
        None => (loaded.unwrap_or(RAM_BASE), loaded.unwrap_or(0)),
    };
    let rom = reset::rom(entry, next, dtb);
    let (mode, entry, registers) = match boot.firmware {
        Firmware::BuiltIn => (
            StartMode::Supervisor,
            entry,
            Vec::from([(A0, 0), (A1, dtb)]),
        ),
        _ => (StartMode::Machine, RESET_VECTOR.0, Vec::new()),
    };
    Ok(Plan {
        segments: planner.segments,
        rom,
        mode,
        entry,
        registers,
        dtb,
        symbols: planner.symbols,
    })
}

/// A program with the name of the file it came from.
struct Named<'a> {
    what: &'static str,
    program: Program<'a>,
}

struct Planner<'a, 'i> {
    inputs: &'i BootInputs<'a>,
    placement: Placement,
    segments: Vec<Segment<'a>>,
    /// Of the program put last.
    entry: Option<u64>,
    symbols: Symbols,
}

fn wrong(what: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Image {
        what,
        reason: reason.into(),
    }
}

impl<'a, 'i> Planner<'a, 'i> {
    fn new(inputs: &'i BootInputs<'a>) -> Result<Self, ConfigError> {
        let end = RAM_BASE
            .checked_add(inputs.ram_size)
            .ok_or(ConfigError::MemorySize {
                bytes: inputs.ram_size,
            })?;
        Ok(Self {
            inputs,
            placement: Placement::new(RAM_BASE..end),
            segments: Vec::new(),
            entry: None,
            symbols: Symbols::default(),
        })
    }

    fn read(&self, what: &'static str, bytes: &'a [u8]) -> Result<Named<'a>, ConfigError> {
        let limit = usize::try_from(self.inputs.ram_size).unwrap_or(usize::MAX);
        let program = image::read(bytes, limit).map_err(|reason| wrong(what, reason))?;
        Ok(Named { what, program })
    }

    /// Where a kernel without an address of its own goes, in bytes from the start of RAM: above
    /// the firmware, and as on QEMU's `virt` above where firmware would be.
    fn kernel_base(&self, firmware: &Firmware) -> u64 {
        let end = self
            .segments
            .iter()
            .map(|segment| segment.load.at.saturating_add(segment.load.memory_size))
            .max()
            .unwrap_or(RAM_BASE);
        let above = end
            .saturating_sub(RAM_BASE)
            .checked_next_multiple_of(BIG_PAGE)
            .unwrap_or(u64::MAX);
        match firmware {
            Firmware::None => 0,
            Firmware::BuiltIn => KERNEL_OFFSET,
            Firmware::Image(_) => above.max(KERNEL_OFFSET),
        }
    }

    /// Puts a program where it says, or at `offset` bytes into RAM if it does not.
    fn put(&mut self, named: Named<'a>, offset: u64) -> Result<(), ConfigError> {
        let Named { what, program } = named;
        match program {
            Program::Elf(elf) => self.put_elf(what, elf),
            Program::Image {
                bytes,
                text_offset,
                memory_size,
            } => self.put_flat(what, bytes, text_offset.max(offset), memory_size),
            Program::Raw(bytes) => {
                let size = bytes.len() as u64;
                self.put_flat(what, bytes, offset, size)
            }
        }
    }

    fn put_elf(&mut self, what: &'static str, elf: Elf<'a>) -> Result<(), ConfigError> {
        for load in elf.loads {
            self.segment(what, load)?;
        }
        self.entry = Some(elf.entry);
        self.symbols = elf.symbols;
        Ok(())
    }

    fn put_flat(
        &mut self,
        what: &'static str,
        bytes: Cow<'a, [u8]>,
        offset: u64,
        memory_size: u64,
    ) -> Result<(), ConfigError> {
        let at = RAM_BASE
            .checked_add(offset)
            .ok_or_else(|| wrong(what, "wants to lie beyond the end of the address space"))?;
        self.segment(
            what,
            Load {
                at,
                bytes,
                memory_size,
            },
        )?;
        self.entry = Some(at);
        Ok(())
    }

    /// Puts a further file.
    fn put_file(&mut self, at: u64, bytes: &'a [u8]) -> Result<(), ConfigError> {
        const WHAT: &str = "file to load";
        // Nothing takes no room: another part could come to lie around it.
        if bytes.is_empty() {
            return Err(wrong(WHAT, "is empty: there is nothing to load"));
        }
        if elf::is_elf(bytes) {
            let symbols = self.symbols;
            let elf = elf::parse(bytes).map_err(|reason| wrong(WHAT, reason))?;
            self.put_elf(WHAT, elf)?;
            self.symbols = symbols;
            return Ok(());
        }
        self.segment(
            WHAT,
            Load {
                at,
                bytes: Cow::Borrowed(bytes),
                memory_size: bytes.len() as u64,
            },
        )
    }

    fn segment(&mut self, what: &'static str, load: Load<'a>) -> Result<(), ConfigError> {
        self.placement
            .claim(what, load.at, load.memory_size)
            .map_err(|reason| wrong(what, reason))?;
        self.segments.push(Segment { what, load });
        Ok(())
    }

    /// Where the program above the firmware begins: the kernel, or without one what the further
    /// files (segments from number `files` on) have where a kernel would be.
    fn loaded(
        &self,
        kernel: Option<u64>,
        files: usize,
        firmware: &Firmware,
    ) -> Result<Option<u64>, ConfigError> {
        if kernel.is_some() {
            return Ok(kernel);
        }
        let usual = match firmware {
            Firmware::None => RAM_BASE,
            _ => RAM_BASE + KERNEL_OFFSET,
        };
        let covered = self.segments.iter().skip(files).any(|segment| {
            let load = &segment.load;
            load.at <= usual && usual - load.at < load.memory_size
        });
        match firmware {
            _ if covered => Ok(Some(usual)),
            // It may be all there is.
            Firmware::Image(_) => Ok(None),
            _ => Err(wrong(
                "kernel",
                format!("is missing, and no other file was loaded to {usual:#x}"),
            )),
        }
    }

    /// Puts the device tree and the initial RAM disk; returns where the tree lies.
    fn finish(&mut self, kernel: Option<u64>) -> Result<u64, ConfigError> {
        const INITRD: &str = "initrd";
        let initrd = self.inputs.boot.initrd.as_deref();
        let initrd = initrd.filter(|bytes| !bytes.is_empty());
        let size = initrd.map_or(0, |bytes| bytes.len() as u64);
        // The tree's length does not depend on where the RAM disk lies.
        let somewhere = initrd.map(|_| 0..0);
        let tree_size = self.tree(somewhere)?.len() as u64;
        let dtb = self
            .placement
            .highest(tree_size, BIG_PAGE, DTB_LIMIT)
            .or_else(|| self.placement.highest(tree_size, PAGE, DTB_LIMIT))
            .ok_or_else(|| wrong("device tree", "finds no free place in memory"))?;
        self.placement
            .claim("device tree", dtb, tree_size)
            .map_err(|reason| wrong("device tree", reason))?;

        let mut range = None;
        if let Some(bytes) = initrd {
            let at = self.initrd_place(kernel, size).ok_or_else(|| {
                wrong(
                    INITRD,
                    format!(
                        "needs {size} bytes, which {} bytes of memory do not have free beside the other files; give the machine more memory",
                        self.inputs.ram_size
                    ),
                )
            })?;
            self.segment(
                INITRD,
                Load {
                    at,
                    bytes: Cow::Borrowed(bytes),
                    memory_size: size,
                },
            )?;
            range = Some(at..at + size);
        }
        let tree = self.tree(range)?;
        self.segments.push(Segment {
            what: "device tree",
            load: Load {
                at: dtb,
                memory_size: tree.len() as u64,
                bytes: Cow::Owned(tree),
            },
        });
        Ok(dtb)
    }

    /// As QEMU: half of memory above the kernel, 512 MiB at most, so that a kernel that unpacks
    /// or moves itself does not reach it. Where that is not free, as high as possible.
    fn initrd_place(&self, kernel: Option<u64>, size: u64) -> Option<u64> {
        let distance = (self.inputs.ram_size / 2).min(INITRD_DISTANCE);
        let usual = kernel
            .unwrap_or(RAM_BASE)
            .checked_add(distance)?
            .checked_next_multiple_of(PAGE)?;
        if self.placement.is_free(usual, size) {
            return Some(usual);
        }
        self.placement.highest(size, PAGE, self.placement.end())
    }

    fn tree(&self, initrd: Option<Range<u64>>) -> Result<Vec<u8>, ConfigError> {
        let inputs = self.inputs;
        if let Some(own) = &inputs.boot.dtb {
            return fdt::with_chosen(own, &inputs.boot.append, initrd.as_ref())
                .map_err(|error| wrong("device tree", format!("{error}")));
        }
        Ok(Description {
            harts: inputs.harts,
            extensions: inputs.extensions,
            mmu: inputs.mmu,
            ram_size: inputs.ram_size,
            bootargs: &inputs.boot.append,
            initrd,
            rng_seed: inputs.rng_seed,
            view: match inputs.boot.firmware {
                Firmware::BuiltIn => View::Supervisor,
                _ => View::Machine,
            },
        }
        .tree()
        .to_blob())
    }
}

#[cfg(test)]
mod tests;
