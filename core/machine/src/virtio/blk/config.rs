//! What a disk is configured with, and what of it the driver sees (5.2.3, 5.2.4).

use alloc::format;
use alloc::string::String;

use super::{ID_BYTES, QUEUE_SIZE};
use crate::error::ConfigError;
use crate::host::SECTOR_SIZE;
use crate::virtio::regs::Features;

/// VIRTIO_BLK_F_SEG_MAX: seg_max is valid.
pub const SEG_MAX: Features = Features(1 << 2);
/// VIRTIO_BLK_F_RO: the disk cannot be written.
pub const RO: Features = Features(1 << 5);
/// VIRTIO_BLK_F_BLK_SIZE: blk_size is valid.
pub const BLK_SIZE: Features = Features(1 << 6);
/// VIRTIO_BLK_F_FLUSH: there is a cache, and a request to write it back.
pub const FLUSH: Features = Features(1 << 9);
/// VIRTIO_BLK_F_DISCARD.
pub const DISCARD: Features = Features(1 << 13);
/// VIRTIO_BLK_F_WRITE_ZEROES.
pub const WRITE_ZEROES: Features = Features(1 << 14);

/// max_discard_sectors and max_write_zeroes_sectors: what one range may ask of the embedder.
pub const MAX_RANGE_SECTORS: u32 = 1 << 18;
/// max_discard_seg and max_write_zeroes_seg.
pub const MAX_RANGES: u32 = 32;

/// Bytes of struct virtio_blk_config up to write_zeroes_may_unmap and its padding.
const SPACE: usize = 60;

/// How a disk is configured.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct BlockConfig {
    /// Which disk of the embedder.
    pub disk: usize,
    /// Its capacity in sectors of 512 bytes.
    pub sectors: u64,
    /// Whether the guest may not write.
    pub read_only: bool,
    /// The size in bytes of the blocks that it does best with: a power of two, 512 to 65536.
    pub block_size: u32,
    /// What GET_ID answers: at most 20 bytes.
    pub id: String,
}

impl Default for BlockConfig {
    /// The embedder's first disk, empty, with blocks of 512 bytes and no name.
    fn default() -> Self {
        Self {
            disk: 0,
            sectors: 0,
            read_only: false,
            block_size: SECTOR_SIZE as u32,
            id: String::new(),
        }
    }
}

impl BlockConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let field = |field, reason| Err(ConfigError::Field { field, reason });
        if !self.block_size.is_power_of_two() || !(512..=65536).contains(&self.block_size) {
            let reason = format!(
                "{}: needs to be a power of two between 512 and 65536",
                self.block_size
            );
            return field("block size of a disk", reason);
        }
        if self.sectors > u64::MAX / SECTOR_SIZE {
            let reason = format!("{} sectors: more than 2^64 bytes", self.sectors);
            return field("capacity of a disk", reason);
        }
        if self.id.len() > ID_BYTES {
            let reason = format!("{:?}: longer than {ID_BYTES} bytes", self.id);
            return field("id of a disk", reason);
        }
        Ok(())
    }

    pub(super) fn features(&self) -> Features {
        let features = SEG_MAX.with(BLK_SIZE).with(FLUSH);
        if self.read_only {
            features.with(RO)
        } else {
            features.with(DISCARD).with(WRITE_ZEROES)
        }
    }

    /// struct virtio_blk_config. Fields of features that are not offered are zero.
    pub(super) fn space(&self) -> [u8; SPACE] {
        let mut space = [0; SPACE];
        let mut put = |at: usize, value: u32| {
            if let Some(field) = space.get_mut(at..at + 4) {
                field.copy_from_slice(&value.to_le_bytes());
            }
        };
        put(0, self.sectors as u32);
        put(4, (self.sectors >> 32) as u32);
        // seg_max: the longest chain is this, the header and the status byte.
        put(12, u32::from(QUEUE_SIZE) - 2);
        put(20, self.block_size);
        if !self.read_only {
            put(36, MAX_RANGE_SECTORS);
            put(40, MAX_RANGES);
            // discard_sector_alignment, in sectors.
            put(44, self.block_size / SECTOR_SIZE as u32);
            put(48, MAX_RANGE_SECTORS);
            put(52, MAX_RANGES);
            // write_zeroes_may_unmap.
            put(56, 1);
        }
        space
    }
}
