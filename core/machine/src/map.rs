//! The address map: which chip answers where, at which widths.
//!
//! The addresses are those of QEMU's `virt` machine, so that firmware, teaching systems and
//! kernels written for it find everything where they look for it.

use crate::mem::{PhysAddr, RAM_BASE, Width};

/// Number of virtio-mmio slots.
pub const VIRTIO_SLOTS: usize = 8;
/// Where slot 0 begins; each further slot is [`VIRTIO_STRIDE`] higher.
pub const VIRTIO_BASE: u64 = 0x1000_1000;
/// Bytes from one virtio-mmio slot to the next.
pub const VIRTIO_STRIDE: u64 = 0x1000;
/// Interrupt source of virtio-mmio slot 0; each further slot has the next one.
pub const VIRTIO_IRQ: u32 = 1;
/// Interrupt source of the UART.
pub const UART_IRQ: u32 = 10;
/// Interrupt source of the real-time clock.
pub const RTC_IRQ: u32 = 11;
/// Where a hart begins after reset: the first byte of the reset ROM.
pub const RESET_VECTOR: PhysAddr = PhysAddr(ROM.base);
/// The most RAM that fits a device tree and placement as guests expect them, in bytes.
pub const MAX_RAM: u64 = 3 << 30;

/// A chip with registers, or the reset ROM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Chip {
    /// The reset ROM.
    Rom,
    /// The SiFive test finisher.
    Finisher,
    /// The goldfish real-time clock.
    Rtc,
    /// The ACLINT in its CLINT-compatible layout.
    Aclint,
    /// The platform-level interrupt controller.
    Plic,
    /// The ns16550a UART.
    Uart,
    /// The virtio-mmio slot of this number, below [`VIRTIO_SLOTS`].
    Virtio(usize),
}

/// A set of access widths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Widths(u8);

impl Widths {
    /// 1, 2, 4 and 8 bytes.
    pub const ANY: Self = Self(0b1111);
    /// 4 bytes only.
    pub const WORD: Self = Self(1 << Width::B4 as u8);
    /// 4 or 8 bytes.
    pub const WORD_OR_DOUBLE: Self = Self(1 << Width::B4 as u8 | 1 << Width::B8 as u8);
    /// 2 or 4 bytes.
    pub const HALF_OR_WORD: Self = Self(1 << Width::B2 as u8 | 1 << Width::B4 as u8);

    /// Whether the set has this width.
    pub const fn contains(self, width: Width) -> bool {
        self.0 & (1 << width as u8) != 0
    }
}

/// A window of the address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// As traces and messages call it.
    pub name: &'static str,
    /// Who answers.
    pub chip: Chip,
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// Widths that the chip answers; any other is an access fault.
    pub widths: Widths,
}

impl Region {
    /// First address beyond the window.
    pub const fn end(&self) -> u64 {
        self.base + self.size
    }
}

/// The reset ROM.
pub const ROM: Region = Region {
    name: "rom",
    chip: Chip::Rom,
    base: 0x1000,
    size: 0xf000,
    widths: Widths::ANY,
};
/// The test finisher.
pub const FINISHER: Region = Region {
    name: "test",
    chip: Chip::Finisher,
    base: 0x10_0000,
    size: 0x1000,
    widths: Widths::HALF_OR_WORD,
};
/// The real-time clock.
pub const RTC: Region = Region {
    name: "rtc",
    chip: Chip::Rtc,
    base: 0x10_1000,
    size: 0x1000,
    widths: Widths::WORD,
};
/// Software interrupts and timers.
pub const ACLINT: Region = Region {
    name: "clint",
    chip: Chip::Aclint,
    base: 0x200_0000,
    size: 0x1_0000,
    widths: Widths::WORD_OR_DOUBLE,
};
/// The interrupt controller.
pub const PLIC: Region = Region {
    name: "plic",
    chip: Chip::Plic,
    base: 0xc00_0000,
    size: 0x60_0000,
    widths: Widths::WORD,
};
/// The UART.
pub const UART: Region = Region {
    name: "serial",
    chip: Chip::Uart,
    base: 0x1000_0000,
    size: 0x100,
    widths: Widths::ANY,
};

/// The window of a virtio-mmio slot, `slot` below [`VIRTIO_SLOTS`].
pub const fn virtio(slot: usize) -> Region {
    Region {
        name: "virtio-mmio",
        chip: Chip::Virtio(slot),
        base: VIRTIO_BASE + slot as u64 * VIRTIO_STRIDE,
        size: VIRTIO_STRIDE,
        widths: Widths::ANY,
    }
}

/// Every window below RAM, in ascending order. RAM begins at [`RAM_BASE`]; what lies in neither
/// is a hole, and an access to it faults.
pub const REGIONS: [Region; 6 + VIRTIO_SLOTS] = [
    ROM,
    FINISHER,
    RTC,
    ACLINT,
    PLIC,
    UART,
    virtio(0),
    virtio(1),
    virtio(2),
    virtio(3),
    virtio(4),
    virtio(5),
    virtio(6),
    virtio(7),
];

const _: () = {
    let mut at = 0;
    while at < REGIONS.len() {
        assert!(
            REGIONS[at].size > 0 && REGIONS[at].end() <= RAM_BASE,
            "a window lies below RAM"
        );
        assert!(
            at == 0 || REGIONS[at - 1].end() <= REGIONS[at].base,
            "windows ascend and do not overlap"
        );
        at += 1;
    }
};

/// The chip that answers an access of `width` at `at`, and the offset within its window.
///
/// `None` is an access fault: a hole, a width that the chip does not have, an address that is
/// not a multiple of the width, or an access across the end of the window.
#[inline]
pub fn route(at: PhysAddr, width: Width) -> Option<(Chip, u64)> {
    if !at.0.is_multiple_of(width.bytes()) {
        return None;
    }
    // Bounded by the length of the table.
    let region = REGIONS
        .iter()
        .find(|region| at.0 >= region.base && at.0 < region.end())?;
    let offset = at.0 - region.base;
    let inside = width.bytes() <= region.size - offset;
    (inside && region.widths.contains(width)).then_some((region.chip, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_where_qemu_virt_has_them() {
        let found = |at| route(PhysAddr(at), Width::B4);
        assert_eq!(found(0x1000), Some((Chip::Rom, 0)));
        assert_eq!(found(0x10_0000), Some((Chip::Finisher, 0)));
        assert_eq!(found(0x10_1004), Some((Chip::Rtc, 4)));
        assert_eq!(found(0x200_bff8), Some((Chip::Aclint, 0xbff8)));
        assert_eq!(found(0xc20_1004), Some((Chip::Plic, 0x20_1004)));
        assert_eq!(found(0x1000_0004), Some((Chip::Uart, 4)));
        assert_eq!(found(0x1000_1000), Some((Chip::Virtio(0), 0)));
        assert_eq!(found(0x1000_8100), Some((Chip::Virtio(7), 0x100)));
    }

    #[test]
    fn holes_fault() {
        for at in [
            0,
            0xffc,
            0x1_0000,
            0x10_2000,
            0x201_0000,
            0xc60_0000,
            0x1000_0100,
            0x1000_0ffc,
            0x1000_9000,
            0x7fff_fffc,
            0x8000_0000,
            u64::MAX - 3,
        ] {
            assert_eq!(route(PhysAddr(at), Width::B4), None, "{at:#x}");
        }
    }

    #[test]
    fn widths_that_a_chip_lacks_fault() {
        assert_eq!(route(PhysAddr(0xc00_0004), Width::B1), None);
        assert_eq!(route(PhysAddr(0xc00_0008), Width::B8), None);
        assert_eq!(route(PhysAddr(0x200_0000), Width::B2), None);
        assert!(route(PhysAddr(0x200_4000), Width::B8).is_some());
        assert!(route(PhysAddr(0x10_0000), Width::B2).is_some());
        assert_eq!(route(PhysAddr(0x10_0000), Width::B8), None);
        assert!(route(PhysAddr(0x1000_0005), Width::B1).is_some());
    }

    #[test]
    fn misaligned_accesses_fault() {
        assert_eq!(route(PhysAddr(0x1000_0001), Width::B2), None);
        assert_eq!(route(PhysAddr(0x200_4004), Width::B8), None);
    }
}
