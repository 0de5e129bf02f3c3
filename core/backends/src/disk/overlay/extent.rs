//! Where the bytes of the disk are.

use super::Overlay;
use super::entry::{Entry, PARTS};
use super::format::PAGE_ENTRIES;
use crate::disk::{Base, Store};

/// Where a stretch of the disk has its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the base, at the same offset. What lies beyond its end reads as zero.
    Base,
    /// Nowhere: they are zero.
    Zero,
    /// In the overlay file, from this byte.
    File(u64),
}

/// A stretch of the disk with its bytes in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// First byte on the disk.
    pub at: u64,
    /// Number of bytes, not 0.
    pub len: u64,
    /// Where they are.
    pub place: Place,
}

impl<S: Store, B: Base> Overlay<S, B> {
    /// The longest stretch in one place that begins at byte `at` and ends at `end` or before;
    /// `None` where `at` is not before `end` or the end of the disk.
    ///
    /// Looks at each part of a cluster in the stretch at most once, and at pages of the map in
    /// which nothing was written as a whole. For an export: what is neither in [`Place::Base`]
    /// nor in [`Place::File`] need not be written to a file with holes.
    pub fn extent(&self, at: u64, end: u64) -> Option<Extent> {
        let end = end.min(self.size());
        let (place, mut next) = self.piece(at, end)?;
        while let Some((other, further)) = self.piece(next, end)
            && other
                == match place {
                    Place::File(byte) => Place::File(byte + (next - at)),
                    place => place,
                }
        {
            next = further;
        }
        let len = next - at;
        Some(Extent { at, len, place })
    }

    /// A stretch in one place, not the longest: where it is, and where it ends.
    fn piece(&self, at: u64, end: u64) -> Option<(Place, u64)> {
        if at >= end {
            return None;
        }
        let geometry = &self.header.geometry;
        let bits = geometry.cluster_bits;
        // At most 2^26: the disk is that large.
        let cluster = (at >> bits) as u32;
        if self.map.page(cluster / PAGE_ENTRIES).is_none() {
            let next = u64::from(cluster / PAGE_ENTRIES + 1) * u64::from(PAGE_ENTRIES);
            return Some((Place::Base, (next << bits).min(end)));
        }
        let start = u64::from(cluster) << bits;
        let entry = self.map.get(cluster);
        let (place, parts) = stretch(entry, ((at - start) / geometry.part_size()) as u32);
        let place = match place {
            Place::File(_) => Place::File(geometry.location_at(entry.location()) + (at - start)),
            place => place,
        };
        let next = start + u64::from(parts) * geometry.part_size();
        Some((place, next.min(end)))
    }
}

/// What part `from` of a cluster is, and the first part after it that is something else.
fn stretch(entry: Entry, from: u32) -> (Place, u32) {
    let kind = |part: u32| {
        if entry.present() >> part & 1 != 0 {
            Place::File(0)
        } else if entry.zeroed() >> part & 1 != 0 {
            Place::Zero
        } else {
            Place::Base
        }
    };
    let from = from.min(PARTS - 1);
    let place = kind(from);
    let end = (from + 1..PARTS).find(|part| kind(*part) != place);
    (place, end.unwrap_or(PARTS))
}
