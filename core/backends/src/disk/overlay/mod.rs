//! A disk that can be written, over a base that cannot: what was written is in one file.
//!
//! `docs/disk-format.md` gives the bytes of the file and the reasons. In short: the disk is cut
//! into clusters; a map says of each sixteenth of a cluster whether it is in the base, zero, or
//! in the file. What is in the file already is overwritten in place. What is not goes to a free
//! place first; a flush makes that data stable, then writes what changed in the map to a journal,
//! and makes that stable. The journal is emptied into the map's pages now and then (a
//! *checkpoint*).
//!
//! What holds after a crash at any point: all that was written before the last flush that
//! completed is there, and each sector of 512 bytes holds that or something that the guest wrote
//! to it since.

mod commit;
mod entry;
mod extent;
mod format;
mod journal;
mod load;
mod map;
mod problem;
mod requests;
mod space;

use alloc::vec::Vec;

pub use extent::{Extent, Place};
pub use problem::{CreateError, OpenError, Problem};

use super::{Base, BaseId, Store, StoreError};
use format::{BLOCK, Geometry, Header, JOURNAL_AT};
use load::{Loaded, load};
use map::Map;
use space::Space;

/// How an overlay is laid out. The default is what [`Overlay::create`] is meant to be given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverlayOptions {
    /// Size of the disk in bytes, a multiple of 512; `None` for that of the base, rounded up.
    /// What lies beyond the base reads as zero.
    pub size: Option<u64>,
    /// Binary logarithm of the size of a cluster, from 13 to 20. Each has an entry of 8 bytes in
    /// the map; a sixteenth of it is what the first write to a place must fill from the base.
    pub cluster_bits: u32,
    /// Size of the journal in bytes: a multiple of 4096, from 8192 to 16 MiB.
    pub journal_len: u32,
}

impl Default for OverlayOptions {
    fn default() -> Self {
        Self {
            size: None,
            cluster_bits: 16,
            journal_len: 1 << 20,
        }
    }
}

/// A summary of an overlay file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Size of the disk in bytes.
    pub size: u64,
    /// Identity of the base.
    pub base: BaseId,
    /// Size of the base in bytes.
    pub base_size: u64,
    /// Size of a cluster in bytes.
    pub cluster_size: u64,
    /// Clusters that have a place in the file.
    pub allocated: u32,
    /// Bytes of the file before the data: headers, journal and map.
    pub metadata: u64,
    /// Bytes of the journal in use.
    pub journal_used: u64,
    /// Times that the journal was emptied since the file was made.
    pub checkpoints: u64,
}

/// What [`Overlay::verify`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Absent if not even the header can be used.
    pub summary: Option<Summary>,
    /// All problems, the first thousand of them; none if the file is sound.
    pub problems: Vec<Problem>,
}

/// A writable disk over a read-only base.
///
/// ```
/// use virtarium_backends::disk::{BaseId, MemBase, MemStore, Overlay, OverlayOptions};
/// use virtarium_machine::host::BlockRequest;
///
/// let base = MemBase { id: BaseId([7; 32]), bytes: vec![0xaa; 1 << 20] };
/// let mut disk = Overlay::create(MemStore::default(), base.clone(), &OverlayOptions::default())?;
/// disk.execute(&BlockRequest::Write { sector: 3, data: vec![1; 512] }).unwrap();
/// disk.execute(&BlockRequest::Flush).unwrap();
///
/// let mut disk = Overlay::open(disk.into_store(), base)?;
/// let read = disk.execute(&BlockRequest::Read { sector: 2, len: 1024 }).unwrap();
/// assert_eq!((read[0], read[512]), (0xaa, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Overlay<S, B> {
    store: S,
    base: B,
    header: Header,
    map: Map,
    space: Space,
    /// Bytes of the journal in use, and number of the next record.
    journal_used: usize,
    sequence: u64,
    /// Something was written since the store was flushed.
    unflushed: bool,
    /// A flush failed, or a header could not be written: what the store holds is not known.
    failed: bool,
}

impl<S: Store, B: Base> Overlay<S, B> {
    /// Makes an overlay in `store`, whatever that held. It is stable when this returns; a crash
    /// before leaves a store that [`Overlay::open`] refuses as [`Problem::NotAnOverlay`].
    ///
    /// # Errors
    /// Sizes that cannot be, or what the store says.
    pub fn create(mut store: S, base: B, options: &OverlayOptions) -> Result<Self, CreateError> {
        let base_size = base.size();
        let geometry = geometry(base_size, options)?;
        let header = Header {
            generation: 1,
            epoch: 1,
            geometry,
            base: base.id(),
            base_size,
        };
        store.set_len(0)?;
        // The old header must be gone before anything of the new file is there.
        store.flush()?;
        store.set_len(geometry.data_at())?;
        // Written, not only extended: a full host must not be met in the middle of a commit.
        let zeros = [0; 4096];
        let mut at = 0;
        while at < JOURNAL_AT + u64::from(geometry.journal_len) {
            store.write(at, &zeros)?;
            at += zeros.len() as u64;
        }
        store.flush()?;
        let mut overlay = Self {
            store,
            base,
            header,
            map: Map::new(geometry.pages()),
            space: Space::new(geometry.clusters()),
            journal_used: 0,
            sequence: 0,
            unflushed: false,
            failed: false,
        };
        overlay.write_headers()?;
        Ok(overlay)
    }

    /// Whether `store` holds what [`Overlay::create`] with these options leaves where it is cut
    /// short: zeroes, and no more of them than come before the first header. Such a store may be
    /// given to it again; there is nothing in it that could be lost.
    ///
    /// # Errors
    /// Sizes that cannot be, or what the store says.
    pub fn is_unfinished(
        store: &mut S,
        base: &B,
        options: &OverlayOptions,
    ) -> Result<bool, CreateError> {
        let len = store.len()?;
        if len > geometry(base.size(), options)?.data_at() {
            return Ok(false);
        }
        let mut bytes = [0; 4096];
        let mut at = 0;
        while at < len {
            let piece = (len - at).min(bytes.len() as u64);
            let bytes = &mut bytes[..piece as usize];
            store.read(at, bytes)?;
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += piece;
        }
        Ok(true)
    }

    /// Opens the overlay in `store`, and brings it to the state that the module's text promises.
    ///
    /// Reads the whole map. Memory and time are bounded by the length of the file, whatever it
    /// holds.
    ///
    /// # Errors
    /// The first problem of the file, or that it belongs to another base.
    pub fn open(mut store: S, base: B) -> Result<Self, OpenError> {
        let loaded = load(&mut store, &mut |problem| Err(problem))?;
        let header = &loaded.header;
        let expected = (header.base, header.base_size);
        let found = (base.id(), base.size());
        if expected != found {
            return Err(OpenError::WrongBase { expected, found });
        }
        // What was read may have been written by a process that was killed, and not be stable.
        store.flush()?;
        let headers_differ = loaded.headers_differ;
        let mut overlay = Self {
            store,
            base,
            header: loaded.header,
            map: loaded.map,
            space: loaded.space,
            journal_used: loaded.journal_used,
            sequence: loaded.sequence,
            unflushed: false,
            failed: false,
        };
        if headers_differ {
            overlay.write_headers()?;
        }
        Ok(overlay)
    }

    /// Reads the overlay in `store` and lists everything that is wrong with it. Writes nothing.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn verify(store: &mut S) -> Result<Report, StoreError> {
        const MOST: usize = 1000;
        let mut problems = Vec::new();
        let loaded = load(store, &mut |problem| {
            problems.push(problem);
            match problems.len() {
                MOST => Err(Problem::NotAnOverlay),
                _ => Ok(()),
            }
        });
        let summary = match loaded {
            Ok(loaded) => {
                if let Some(at) = loaded.damaged_header {
                    problems.push(Problem::HeaderCopy { at });
                }
                Some(summary(&loaded))
            }
            Err(OpenError::Store(error)) => return Err(error),
            Err(OpenError::Damaged(problem)) => {
                if problems.len() < MOST {
                    problems.push(problem);
                }
                None
            }
            // Nobody asked about a base.
            Err(OpenError::WrongBase { .. }) => None,
        };
        Ok(Report { summary, problems })
    }

    /// Size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.header.geometry.virtual_size
    }

    /// The base.
    pub fn base(&self) -> &B {
        &self.base
    }

    /// The base, for an embedder that fetches it piece by piece.
    pub fn base_mut(&mut self) -> &mut B {
        &mut self.base
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store. Whoever writes to it destroys the overlay.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The store, as it is: what was not flushed is not. [`Overlay::close`] first if it should be.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Whether a flush of the store or a write of its header failed. Reading still works; writing and flushing do not,
    /// until the overlay is opened anew and is what it was at its last good flush.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Figures about the file as it will be after a flush.
    pub fn summary(&self) -> Summary {
        summarize(&self.header, self.space.count(), self.journal_used)
    }
}

fn geometry(base_size: u64, options: &OverlayOptions) -> Result<Geometry, CreateError> {
    let size = match options.size {
        Some(size) => size,
        None => base_size
            .checked_next_multiple_of(BLOCK as u64)
            .unwrap_or(u64::MAX),
    };
    let geometry = Geometry::new(size, options.cluster_bits, options.journal_len)
        .map_err(CreateError::Options)?;
    if base_size > size {
        return Err(CreateError::Options(format::too_small(size, base_size)));
    }
    Ok(geometry)
}

fn summary(loaded: &Loaded) -> Summary {
    summarize(&loaded.header, loaded.space.count(), loaded.journal_used)
}

fn summarize(header: &Header, allocated: u32, journal_used: usize) -> Summary {
    Summary {
        size: header.geometry.virtual_size,
        base: header.base,
        base_size: header.base_size,
        cluster_size: header.geometry.cluster_size(),
        allocated,
        metadata: header.geometry.data_at(),
        journal_used: journal_used as u64,
        checkpoints: header.epoch.saturating_sub(1),
    }
}
