//! Guest-physical memory as devices see it.

use crate::arena::{Ram, Scalar};

/// Where RAM begins in guest-physical space, as on QEMU's `virt`.
pub const RAM_BASE: u64 = 0x8000_0000;

/// A guest-physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    /// The address `bytes` further on, or `None` past the end of the address space.
    pub fn checked_add(self, bytes: u64) -> Option<PhysAddr> {
        self.0.checked_add(bytes).map(PhysAddr)
    }
}

/// A guest-virtual address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct VirtAddr(pub u64);

/// The width of a single access.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Width {
    /// One byte.
    B1 = 0,
    /// Two bytes.
    B2 = 1,
    /// Four bytes.
    B4 = 2,
    /// Eight bytes.
    B8 = 3,
}

impl Width {
    /// The number of bytes: 1, 2, 4 or 8.
    #[inline(always)]
    pub const fn bytes(self) -> u64 {
        1 << self as u8
    }

    /// The low `bytes` bytes set.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

/// An access that does not lie entirely in RAM. Nothing was read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotRam {
    /// Where the access began.
    pub at: PhysAddr,
}

/// Guest RAM by physical address: all that a device may read or write on its own account.
///
/// Registers of devices are out of reach, so that no device can be made to drive another or
/// itself (hostile inputs, class V08). Values are little-endian, at any alignment. An access is
/// done whole or not at all.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    ram: Ram<'a>,
}

impl<'a> Memory<'a> {
    /// The RAM, which begins at [`RAM_BASE`].
    pub fn new(ram: Ram<'a>) -> Self {
        Self { ram }
    }

    /// Bytes of RAM.
    pub fn size(&self) -> u64 {
        self.ram.size()
    }

    /// Whether `len` bytes from `at` on are RAM.
    pub fn contains(&self, at: PhysAddr, len: u64) -> bool {
        at.0.checked_sub(RAM_BASE)
            .is_some_and(|offset| self.ram.contains(offset, len))
    }

    /// Reads a value.
    pub fn load<T: Scalar>(&self, at: PhysAddr) -> Result<T, NotRam> {
        self.offset(at)
            .and_then(|offset| self.ram.load(offset))
            .ok_or(NotRam { at })
    }

    /// Writes a value.
    pub fn store<T: Scalar>(&self, at: PhysAddr, value: T) -> Result<(), NotRam> {
        self.offset(at)
            .and_then(|offset| self.ram.store(offset, value))
            .ok_or(NotRam { at })
    }

    /// Copies bytes out of RAM.
    pub fn read(&self, at: PhysAddr, out: &mut [u8]) -> Result<(), NotRam> {
        self.offset(at)
            .and_then(|offset| self.ram.read(offset, out))
            .ok_or(NotRam { at })
    }

    /// Copies bytes into RAM.
    pub fn write(&self, at: PhysAddr, bytes: &[u8]) -> Result<(), NotRam> {
        self.offset(at)
            .and_then(|offset| self.ram.write(offset, bytes))
            .ok_or(NotRam { at })
    }

    /// Sets `len` bytes to zero.
    pub fn zero(&self, at: PhysAddr, len: u64) -> Result<(), NotRam> {
        self.offset(at)
            .and_then(|offset| self.ram.zero(offset, len))
            .ok_or(NotRam { at })
    }

    fn offset(&self, at: PhysAddr) -> Option<u64> {
        at.0.checked_sub(RAM_BASE)
    }
}
