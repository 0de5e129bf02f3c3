//! The device tree that tells a guest what it runs on.
//!
//! Generated from a description of the machine; node names and properties are those of QEMU's
//! `virt`, which guests look for by name.

mod tree;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

pub use tree::{MAX_DEPTH, MAX_NAME, MAX_SIZE, Node, Tree, TreeError};

use crate::devices::plic::NDEV;
use crate::devices::uart::CLOCK_FREQUENCY;
use crate::map::{self, Region};
use crate::mem::RAM_BASE;
use crate::time::TIMEBASE_FREQUENCY;

/// Size of the blocks that Zicbom, Zicboz and Zicbop work on, in bytes.
pub const CACHE_BLOCK: u32 = 64;

/// `mcause` of the interrupts that the CLINT and the PLIC raise, as `interrupts-extended` wants.
const MACHINE_SOFTWARE: u32 = 3;
const MACHINE_TIMER: u32 = 7;
const MACHINE_EXTERNAL: u32 = 11;
const SUPERVISOR_EXTERNAL: u32 = 9;
/// A context that is not for whoever reads the tree.
const NOT_CONNECTED: u32 = u32::MAX;

const PLIC_PHANDLE: u32 = 1;
const TEST_PHANDLE: u32 = 2;
const FIRST_HART_PHANDLE: u32 = 0x10;

/// The largest translation scheme of the harts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Mmu {
    /// Three levels.
    Sv39,
    /// Four levels, and Sv39.
    Sv48,
    /// Five levels, Sv48 and Sv39.
    Sv57,
}

impl Mmu {
    fn name(self) -> &'static str {
        match self {
            Self::Sv39 => "riscv,sv39",
            Self::Sv48 => "riscv,sv48",
            Self::Sv57 => "riscv,sv57",
        }
    }
}

/// Who reads the tree first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum View {
    /// A kernel in S-mode over the built-in SBI, as firmware hands the tree on: the PLIC's
    /// machine-mode contexts are marked as not the kernel's.
    Supervisor,
    /// Firmware or a kernel in M-mode: as the hardware is.
    Machine,
}

/// What the tree tells.
#[derive(Clone, Debug)]
pub struct Description<'a> {
    /// Number of harts, 1 to 8.
    pub harts: usize,
    /// Names of the ISA extensions, single letters first, in canonical order: `i`, `m`, ...
    pub extensions: &'a [&'a str],
    /// The largest translation scheme.
    pub mmu: Mmu,
    /// Bytes of RAM from [`RAM_BASE`] on.
    pub ram_size: u64,
    /// The kernel's command line; empty for none.
    pub bootargs: &'a str,
    /// Physical addresses of the initial RAM disk.
    pub initrd: Option<Range<u64>>,
    /// Entropy for the kernel's first random numbers.
    pub rng_seed: [u8; 32],
    /// Who reads it.
    pub view: View,
}

impl Description<'_> {
    /// The tree.
    pub fn tree(&self) -> Tree {
        Tree {
            root: Node::new("")
                .cells("#address-cells", &[2])
                .cells("#size-cells", &[2])
                .string("compatible", "riscv-virtio")
                .string("model", "virtarium,virt")
                .node(Node::new("aliases").string("serial0", &serial_path()))
                .node(self.chosen())
                .node(syscon("poweroff", 0x5555))
                .node(syscon("reboot", 0x7777))
                .node(
                    Node::new(format!("memory@{RAM_BASE:x}"))
                        .string("device_type", "memory")
                        .cells64("reg", &[RAM_BASE, self.ram_size]),
                )
                .node(self.cpus())
                .node(self.soc()),
            ..Tree::default()
        }
    }

    fn chosen(&self) -> Node {
        let mut node = Node::new("chosen");
        set_chosen(&mut node, self.bootargs, self.initrd.as_ref());
        node.string("stdout-path", &serial_path())
            .bytes("rng-seed", self.rng_seed)
    }

    fn cpus(&self) -> Node {
        let mut cpus = Node::new("cpus")
            .cells("#address-cells", &[1])
            .cells("#size-cells", &[0])
            .cells("timebase-frequency", &[TIMEBASE_FREQUENCY as u32]);
        let mut cluster = Node::new("cluster0");
        for hart in 0..self.harts {
            cpus = cpus.node(self.cpu(hart));
            cluster =
                cluster.node(Node::new(format!("core{hart}")).cells("cpu", &[hart_phandle(hart)]));
        }
        cpus.node(Node::new("cpu-map").node(cluster))
    }

    fn cpu(&self, hart: usize) -> Node {
        let mut cpu = Node::new(format!("cpu@{hart:x}"))
            .string("device_type", "cpu")
            .cells("reg", &[hart as u32])
            .string("status", "okay")
            .string("compatible", "riscv")
            .string("riscv,isa", &isa_string(self.extensions))
            .string("riscv,isa-base", "rv64i")
            .strings("riscv,isa-extensions", self.extensions)
            .string("mmu-type", self.mmu.name());
        for (extension, property) in [
            ("zicbom", "riscv,cbom-block-size"),
            ("zicbop", "riscv,cbop-block-size"),
            ("zicboz", "riscv,cboz-block-size"),
        ] {
            if self.extensions.contains(&extension) {
                cpu = cpu.cells(property, &[CACHE_BLOCK]);
            }
        }
        cpu.cells("phandle", &[hart_phandle(hart)]).node(
            Node::new("interrupt-controller")
                // Devicetree Specification 0.4, 2.4.3.1; dtc warns where it is missing.
                .cells("#address-cells", &[0])
                .cells("#interrupt-cells", &[1])
                .flag("interrupt-controller")
                .string("compatible", "riscv,cpu-intc")
                .cells("phandle", &[intc_phandle(hart)]),
        )
    }

    fn soc(&self) -> Node {
        let mut soc = Node::new("soc")
            .cells("#address-cells", &[2])
            .cells("#size-cells", &[2])
            .string("compatible", "simple-bus")
            .flag("ranges")
            .node(wired("rtc", &map::RTC, map::RTC_IRQ).string("compatible", "google,goldfish-rtc"))
            .node(
                wired("serial", &map::UART, map::UART_IRQ)
                    .cells("clock-frequency", &[CLOCK_FREQUENCY])
                    .string("compatible", "ns16550a"),
            )
            .node(
                device("test", &map::FINISHER)
                    .strings("compatible", &["sifive,test1", "sifive,test0", "syscon"])
                    .cells("phandle", &[TEST_PHANDLE]),
            );
        // Descending, as QEMU has them: drivers bind in this order, and a disk without a slot of
        // its own takes the highest free one, so that the first disk is the first to be named.
        for slot in (0..map::VIRTIO_SLOTS).rev() {
            soc = soc.node(
                wired(
                    "virtio_mmio",
                    &map::virtio(slot),
                    map::VIRTIO_IRQ + slot as u32,
                )
                .string("compatible", "virtio,mmio"),
            );
        }
        soc.node(self.plic()).node(self.clint())
    }

    fn plic(&self) -> Node {
        let machine = match self.view {
            View::Supervisor => NOT_CONNECTED,
            View::Machine => MACHINE_EXTERNAL,
        };
        device("plic", &map::PLIC)
            .strings("compatible", &["sifive,plic-1.0.0", "riscv,plic0"])
            .cells("#address-cells", &[0])
            .cells("#interrupt-cells", &[1])
            .flag("interrupt-controller")
            .cells("riscv,ndev", &[NDEV])
            .cells(
                "interrupts-extended",
                &self.per_hart([machine, SUPERVISOR_EXTERNAL]),
            )
            .cells("phandle", &[PLIC_PHANDLE])
    }

    fn clint(&self) -> Node {
        device("clint", &map::ACLINT)
            .strings("compatible", &["sifive,clint0", "riscv,clint0"])
            .cells(
                "interrupts-extended",
                &self.per_hart([MACHINE_SOFTWARE, MACHINE_TIMER]),
            )
    }

    fn per_hart(&self, causes: [u32; 2]) -> Vec<u32> {
        (0..self.harts)
            .flat_map(|hart| causes.map(|cause| [intc_phandle(hart), cause]))
            .flatten()
            .collect()
    }
}

/// Puts a command line and an initial RAM disk into a tree of the user's, as QEMU does; the rest
/// of it stays as it is.
///
/// Returns the flattened tree, or what is wrong with the given one.
pub fn with_chosen(
    blob: &[u8],
    bootargs: &str,
    initrd: Option<&Range<u64>>,
) -> Result<Vec<u8>, TreeError> {
    let mut tree = Tree::parse(blob)?;
    set_chosen(tree.root.child_mut("chosen"), bootargs, initrd);
    Ok(tree.to_blob())
}

fn set_chosen(chosen: &mut Node, bootargs: &str, initrd: Option<&Range<u64>>) {
    let mut filled = core::mem::take(chosen);
    if !bootargs.is_empty() {
        filled = filled.string("bootargs", bootargs);
    }
    if let Some(initrd) = initrd {
        filled = filled
            .cells64("linux,initrd-start", &[initrd.start])
            .cells64("linux,initrd-end", &[initrd.end]);
    }
    *chosen = filled;
}

/// The older `riscv,isa` string: `rv64` and the single letters, then the others behind
/// underscores.
fn isa_string(extensions: &[&str]) -> String {
    let mut isa = String::from("rv64");
    for extension in extensions {
        if extension.len() > 1 {
            isa.push('_');
        }
        isa.push_str(extension);
    }
    isa
}

fn serial_path() -> String {
    format!("/soc/serial@{:x}", map::UART.base)
}

fn hart_phandle(hart: usize) -> u32 {
    FIRST_HART_PHANDLE + 2 * hart as u32
}

fn intc_phandle(hart: usize) -> u32 {
    hart_phandle(hart) + 1
}

fn device(name: &str, region: &Region) -> Node {
    Node::new(format!("{name}@{:x}", region.base)).cells64("reg", &[region.base, region.size])
}

fn wired(name: &str, region: &Region, irq: u32) -> Node {
    device(name, region)
        .cells("interrupts", &[irq])
        .cells("interrupt-parent", &[PLIC_PHANDLE])
}

fn syscon(name: &str, value: u32) -> Node {
    Node::new(name)
        .string("compatible", &format!("syscon-{name}"))
        .cells("regmap", &[TEST_PHANDLE])
        .cells("offset", &[0])
        .cells("value", &[value])
}

#[cfg(test)]
mod tests;
