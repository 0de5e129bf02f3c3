//! Registers and bits of virtio-mmio version 2, as data (virtio 1.2, 4.2.2).

/// MagicValue: "virt", little-endian.
pub const MAGIC: u32 = 0x7472_6976;
/// Version of the register layout; 1 would be the legacy one.
pub const VERSION: u32 = 2;
/// VendorID: "VRTM", little-endian. Drivers do not look at it.
pub const VENDOR: u32 = 0x4d54_5256;
/// Offset of the device's configuration space.
pub const CONFIG: u64 = 0x100;
/// Bytes of a slot's window.
pub const WINDOW: u64 = 0x1000;

/// A control register: 32 bits wide, accessed whole and aligned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the names are those of the standard's table")]
pub enum Register {
    MagicValue,
    Version,
    DeviceId,
    VendorId,
    DeviceFeatures,
    DeviceFeaturesSel,
    DriverFeatures,
    DriverFeaturesSel,
    QueueSel,
    QueueSizeMax,
    QueueSize,
    QueueReady,
    QueueNotify,
    InterruptStatus,
    InterruptAck,
    Status,
    QueueDescLow,
    QueueDescHigh,
    QueueDriverLow,
    QueueDriverHigh,
    QueueDeviceLow,
    QueueDeviceHigh,
    ShmSel,
    ShmLenLow,
    ShmLenHigh,
    ShmBaseLow,
    ShmBaseHigh,
    QueueReset,
    ConfigGeneration,
}

/// What a driver may do with a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Access {
    /// Read; writes are ignored.
    Read,
    /// Write; reads return zero.
    Write,
    /// Both.
    ReadWrite,
}

use Access::{Read, ReadWrite, Write};
use Register::*;

/// Every control register: offset, name, direction. Ascending; what is missing between them reads
/// as zero and ignores writes, the legacy registers 0x028, 0x03c and 0x040 among them.
pub const TABLE: [(u64, Register, Access); 29] = [
    (0x000, MagicValue, Read),
    (0x004, Version, Read),
    (0x008, DeviceId, Read),
    (0x00c, VendorId, Read),
    (0x010, DeviceFeatures, Read),
    (0x014, DeviceFeaturesSel, Write),
    (0x020, DriverFeatures, Write),
    (0x024, DriverFeaturesSel, Write),
    (0x030, QueueSel, Write),
    (0x034, QueueSizeMax, Read),
    (0x038, QueueSize, Write),
    (0x044, QueueReady, ReadWrite),
    (0x050, QueueNotify, Write),
    (0x060, InterruptStatus, Read),
    (0x064, InterruptAck, Write),
    (0x070, Status, ReadWrite),
    (0x080, QueueDescLow, Write),
    (0x084, QueueDescHigh, Write),
    (0x090, QueueDriverLow, Write),
    (0x094, QueueDriverHigh, Write),
    (0x0a0, QueueDeviceLow, Write),
    (0x0a4, QueueDeviceHigh, Write),
    (0x0ac, ShmSel, Write),
    (0x0b0, ShmLenLow, Read),
    (0x0b4, ShmLenHigh, Read),
    (0x0b8, ShmBaseLow, Read),
    (0x0bc, ShmBaseHigh, Read),
    (0x0c0, QueueReset, ReadWrite),
    (0x0fc, ConfigGeneration, Read),
];

const _: () = {
    let mut row = 0;
    while row < TABLE.len() {
        assert!(TABLE[row].0.is_multiple_of(4) && TABLE[row].0 < CONFIG);
        assert!(
            TABLE[row].1 as usize == row,
            "rows in the order of the enum"
        );
        assert!(row == 0 || TABLE[row - 1].0 < TABLE[row].0, "ascending");
        row += 1;
    }
};

impl Register {
    /// The register at an offset, if one is there that allows the access.
    pub fn readable(offset: u64) -> Option<Register> {
        Self::find(offset, Write)
    }

    /// As [`Register::readable`], for writes.
    pub fn writable(offset: u64) -> Option<Register> {
        Self::find(offset, Read)
    }

    fn find(offset: u64, other: Access) -> Option<Register> {
        TABLE
            .iter()
            .find(|row| row.0 == offset && row.2 != other)
            .map(|row| row.1)
    }

    /// Where the register is.
    pub fn offset(self) -> u64 {
        TABLE[self as usize].0
    }
}

/// Bits of Status (2.1).
pub mod status {
    /// The driver has noticed the device.
    pub const ACKNOWLEDGE: u32 = 1;
    /// The driver knows how to drive it.
    pub const DRIVER: u32 = 2;
    /// The driver is set up.
    pub const DRIVER_OK: u32 = 4;
    /// Features are negotiated.
    pub const FEATURES_OK: u32 = 8;
    /// The device met an error from which only a reset recovers.
    pub const DEVICE_NEEDS_RESET: u32 = 64;
    /// The driver has given up.
    pub const FAILED: u32 = 128;
}

/// Bits of InterruptStatus.
pub mod interrupt {
    /// The device used a buffer.
    pub const USED_BUFFER: u32 = 1;
    /// The configuration changed, or the device needs a reset.
    pub const CONFIG_CHANGE: u32 = 2;
}

/// A set of feature bits, 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Features(pub u64);

impl Features {
    /// A chain may continue in a table of descriptors of its own.
    pub const INDIRECT_DESC: Self = Self(1 << 28);
    /// Notifications are suppressed by ring index.
    pub const EVENT_IDX: Self = Self(1 << 29);
    /// The device follows the standard, not the legacy interface.
    pub const VERSION_1: Self = Self(1 << 32);
    /// A queue can be reset by itself.
    pub const RING_RESET: Self = Self(1 << 40);

    /// What the transport and the ring offer with every device.
    pub const TRANSPORT: Self =
        Self(Self::INDIRECT_DESC.0 | Self::EVENT_IDX.0 | Self::VERSION_1.0 | Self::RING_RESET.0);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
