//! The bytes of an overlay file: `docs/disk-format.md` is the description.

use alloc::format;
use alloc::string::String;
use crc::{CRC_64_XZ, Crc};

use super::entry::{Entry, PARTS};
use crate::disk::BaseId;

/// Size of what a crash leaves whole, and the unit of alignment in the file.
pub const BLOCK: usize = 512;
/// Version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Distance of the two copies of the header, and size of a copy's place.
pub const HEADER_SLOT: u64 = 4096;
/// Where the journal begins.
pub const JOURNAL_AT: u64 = 2 * HEADER_SLOT;
/// Size of a page of the map.
pub const PAGE: usize = 4096;
/// Size of what precedes a page's entries and a journal record's runs.
pub const PREFIX: usize = 64;
/// Entries in a page of the map.
pub const PAGE_ENTRIES: u32 = ((PAGE - PREFIX) / 8) as u32;
/// Size of a run in a journal record.
pub const RUN: usize = 16;

/// Largest number of clusters of a disk: 4 TiB of 64 KiB each.
pub const MAX_CLUSTERS: u64 = 1 << 26;
/// Smallest and largest binary logarithm of a cluster's size.
pub const CLUSTER_BITS: core::ops::RangeInclusive<u32> = 13..=20;
/// Smallest and largest size of the journal in bytes.
pub const JOURNAL_LEN: core::ops::RangeInclusive<u32> = 8192..=16 << 20;
/// Beyond this a counter is not one that ran, but damage.
pub const MAX_COUNTER: u64 = 1 << 62;

const MAGIC: [u8; 8] = *b"VTROVL\r\n";
const PAGE_MAGIC: [u8; 4] = *b"VTRM";
const RECORD_MAGIC: [u8; 4] = *b"VTRJ";

static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// CRC-64/XZ, the checksum of the whole format.
pub fn checksum(bytes: &[u8]) -> u64 {
    CRC.checksum(bytes)
}

/// Little-endian number at `at`; what lies beyond the end counts as zero bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut wide = [0; 8];
    for (to, from) in wide.iter_mut().take(N).zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u64::from_le_bytes(wide)
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    number::<4>(bytes, at) as u32
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    number::<8>(bytes, at)
}

/// Writes `value` at `at`; every caller's buffer has the room.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let end = at.saturating_add(value.len());
    debug_assert!(end <= bytes.len());
    if let Some(to) = bytes.get_mut(at..end) {
        to.copy_from_slice(value);
    }
}

/// Sizes from which every place in the file follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Size of the disk in bytes: a multiple of 512, not 0.
    pub virtual_size: u64,
    pub cluster_bits: u32,
    /// Size of the journal in bytes, a multiple of 4096.
    pub journal_len: u32,
}

impl Geometry {
    /// # Errors
    /// Which of the three cannot be, and why.
    pub fn new(virtual_size: u64, cluster_bits: u32, journal_len: u32) -> Result<Self, String> {
        if virtual_size == 0 || !virtual_size.is_multiple_of(BLOCK as u64) {
            return Err(format!(
                "a disk of {virtual_size} bytes: needs a multiple of 512 above 0"
            ));
        }
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(format!(
                "clusters of 2^{cluster_bits} bytes: 2^13 to 2^20 are possible"
            ));
        }
        if !JOURNAL_LEN.contains(&journal_len) || !journal_len.is_multiple_of(4096) {
            return Err(format!(
                "a journal of {journal_len} bytes: needs a multiple of 4096 from 8192 to 16 MiB"
            ));
        }
        if virtual_size.div_ceil(1 << cluster_bits) > MAX_CLUSTERS {
            return Err(format!(
                "a disk of {virtual_size} bytes: an overlay takes at most {} GiB",
                (MAX_CLUSTERS << cluster_bits) >> 30
            ));
        }
        Ok(Self {
            virtual_size,
            cluster_bits,
            journal_len,
        })
    }

    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    pub fn part_size(&self) -> u64 {
        self.cluster_size() / u64::from(PARTS)
    }

    /// Clusters of the disk, and the most that there can be in the file.
    pub fn clusters(&self) -> u32 {
        // At most MAX_CLUSTERS.
        self.virtual_size.div_ceil(self.cluster_size()) as u32
    }

    pub fn pages(&self) -> u32 {
        self.clusters().div_ceil(PAGE_ENTRIES)
    }

    /// Where slot 0 or 1 of a page of the map is.
    pub fn page_at(&self, page: u32, slot: usize) -> u64 {
        let slots = u64::from(page) * 2 + slot as u64;
        JOURNAL_AT + u64::from(self.journal_len) + slots * PAGE as u64
    }

    pub fn data_at(&self) -> u64 {
        self.page_at(self.pages(), 0)
            .next_multiple_of(self.cluster_size())
    }

    /// Where the data cluster with this number, from 1, begins.
    pub fn location_at(&self, location: u32) -> u64 {
        self.data_at() + (u64::from(location).saturating_sub(1) << self.cluster_bits)
    }

    /// Bytes of the disk in a cluster: fewer than its size in the last one only.
    pub fn cluster_len(&self, cluster: u32) -> u64 {
        let start = u64::from(cluster) << self.cluster_bits;
        self.virtual_size
            .saturating_sub(start)
            .min(self.cluster_size())
    }

    /// The parts of a cluster that hold bytes of the disk.
    pub fn parts(&self, cluster: u32) -> u16 {
        let parts = self.cluster_len(cluster).div_ceil(self.part_size());
        ((1u32 << parts) - 1) as u16
    }

    /// What is wrong with an entry, if anything is.
    pub fn fault(&self, cluster: u32, entry: Entry) -> Option<&'static str> {
        if entry.present() & entry.zeroed() != 0 {
            Some("says of a part that it is zero and in the file")
        } else if (entry.present() | entry.zeroed()) & !self.parts(cluster) != 0 {
            Some("speaks of parts beyond the end of the disk")
        } else if entry.present() != 0 && entry.location() == 0 {
            Some("has parts in the file and no place for them")
        } else if entry.location() > self.clusters() {
            Some("is at a place that no file of this size has")
        } else {
            None
        }
    }
}

/// The line for a disk that is smaller than its base.
pub fn too_small(size: u64, base: u64) -> String {
    format!("a disk of {size} bytes on a base of {base}: it cannot be smaller")
}

/// The header: what the file is, and which journal counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Counts the headers written; the valid copy with the higher one counts.
    pub generation: u64,
    /// Counts the checkpoints: records of another epoch are spent.
    pub epoch: u64,
    pub geometry: Geometry,
    pub base: BaseId,
    pub base_size: u64,
}

/// What is wrong with a copy of the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeaderFault {
    /// Another kind of file.
    Magic,
    Version(u32),
    /// Features that this program does not know, and must.
    Features(u32),
    Checksum,
    Field(String),
}

impl Header {
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut bytes = [0; BLOCK];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        // 12: features that a reader must know; none yet.
        put(&mut bytes, 16, &self.generation.to_le_bytes());
        put(&mut bytes, 24, &self.epoch.to_le_bytes());
        put(&mut bytes, 32, &self.geometry.virtual_size.to_le_bytes());
        put(&mut bytes, 40, &self.geometry.cluster_bits.to_le_bytes());
        put(&mut bytes, 44, &self.geometry.journal_len.to_le_bytes());
        put(&mut bytes, 48, &self.base_size.to_le_bytes());
        put(&mut bytes, 56, &self.base.0);
        let sum = checksum(&bytes[..BLOCK - 8]);
        put(&mut bytes, BLOCK - 8, &sum.to_le_bytes());
        bytes
    }

    /// The version is looked at before the checksum: a later one may compute it otherwise.
    pub fn decode(bytes: &[u8; BLOCK]) -> Result<Self, HeaderFault> {
        if !bytes.starts_with(&MAGIC) {
            return Err(HeaderFault::Magic);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        if checksum(&bytes[..BLOCK - 8]) != u64_at(bytes, BLOCK - 8) {
            return Err(HeaderFault::Checksum);
        }
        let features = u32_at(bytes, 12);
        if features != 0 {
            return Err(HeaderFault::Features(features));
        }
        let (generation, epoch) = (u64_at(bytes, 16), u64_at(bytes, 24));
        if generation > MAX_COUNTER || epoch > MAX_COUNTER {
            return Err(HeaderFault::Field(format!(
                "generation {generation} and epoch {epoch}: at most 2^62 are possible"
            )));
        }
        let geometry = Geometry::new(u64_at(bytes, 32), u32_at(bytes, 40), u32_at(bytes, 44))
            .map_err(HeaderFault::Field)?;
        let mut base = BaseId::default();
        base.0.copy_from_slice(&bytes[56..88]);
        let base_size = u64_at(bytes, 48);
        if base_size > geometry.virtual_size {
            return Err(HeaderFault::Field(format!(
                "a base of {base_size} bytes under a disk of {}",
                geometry.virtual_size
            )));
        }
        Ok(Self {
            generation,
            epoch,
            geometry,
            base,
            base_size,
        })
    }
}

/// What precedes the entries of a page of the map or the runs of a journal record. It lies within
/// one block and has a checksum of its own, so that what a crash tore is known from what rotted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    pub kind: Kind,
    /// Page: its number. Record: the number of its runs.
    pub number: u32,
    /// Page: counts the times that it was written. Record: its place in the epoch, from 0.
    pub sequence: u64,
    /// Page: that of the header which its checkpoint ends with. Record: that of the header.
    pub epoch: u64,
    /// Checksum of what follows the prefix.
    pub body: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Page,
    Record,
}

impl Prefix {
    pub fn encode(&self) -> [u8; PREFIX] {
        let mut bytes = [0; PREFIX];
        put(
            &mut bytes,
            0,
            match self.kind {
                Kind::Page => &PAGE_MAGIC,
                Kind::Record => &RECORD_MAGIC,
            },
        );
        put(&mut bytes, 4, &self.number.to_le_bytes());
        put(&mut bytes, 8, &self.sequence.to_le_bytes());
        put(&mut bytes, 16, &self.epoch.to_le_bytes());
        put(&mut bytes, 24, &self.body.to_le_bytes());
        let sum = checksum(&bytes[..PREFIX - 8]);
        put(&mut bytes, PREFIX - 8, &sum.to_le_bytes());
        bytes
    }

    /// The prefix at the start of `bytes`, if there is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..PREFIX)?;
        let kind = match bytes.first_chunk() {
            Some(&PAGE_MAGIC) => Kind::Page,
            Some(&RECORD_MAGIC) => Kind::Record,
            _ => return None,
        };
        let (sequence, epoch) = (u64_at(bytes, 8), u64_at(bytes, 16));
        (checksum(&bytes[..PREFIX - 8]) == u64_at(bytes, PREFIX - 8)
            && sequence <= MAX_COUNTER
            && epoch <= MAX_COUNTER + 1)
            .then(|| Self {
                kind,
                number: u32_at(bytes, 4),
                sequence,
                epoch,
                body: u64_at(bytes, 24),
            })
    }
}
