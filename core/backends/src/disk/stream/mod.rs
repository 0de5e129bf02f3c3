//! A writable disk over an image that arrives in chunks, while the guest already uses it.
//!
//! [`Streamed`] does a request at once if all that it reads of the image is in memory, zero, or
//! covered by what was written. Otherwise the request waits; [`Streamed::next_fetch`] names the
//! chunks to get, [`Streamed::arrived`] takes them, and [`Streamed::take_completed`] gives the
//! results. How a chunk is fetched, how often that is tried, and how many are under way at a time is
//! the embedder's business; time plays no part here.

mod ahead;
mod queue;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use virtarium_machine::host::{BlockError, BlockRequest, BlockResult, Submitted, Token};

use super::chunks::ChunkError;
use super::overlay::{CreateError, OpenError};
use super::{ChunkBase, Manifest, Overlay, OverlayOptions, Store, StoreError};
use ahead::Ahead;
use queue::{Queue, Waiting};

/// Chunks that are under way at a time because they may be wanted soon. Fewer than a browser has
/// connections for, so that one that is needed now need not queue behind them.
const MAX_AHEAD: usize = 6;

/// Figures about a streamed disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamStats {
    /// Chunks in memory.
    pub chunks_present: usize,
    /// Bytes that they take.
    pub present_bytes: u64,
    /// Chunks that have arrived and were right.
    pub fetched: u64,
    /// Bytes of those, unpacked.
    pub bytes: u64,
    /// Chunks that were asked for before any request needed them.
    pub ahead: u64,
    /// Chunks that arrived damaged.
    pub damaged: u64,
    /// Times that a fetch was given up.
    pub failed: u64,
    /// Requests that were done at once.
    pub hits: u64,
    /// Requests that had to wait.
    pub waits: u64,
}

/// A writable disk over a streamed image.
///
/// Memory: the chunks take `cache_bytes`, or as many bytes as the oldest request that waits needs if
/// that is more; and one chunk. Requests that wait are kept as they came.
///
/// ```
/// use virtarium_backends::disk::chunks::{Encoding, ManifestWriter};
/// use virtarium_backends::disk::{MemStore, OverlayOptions, Streamed};
/// use virtarium_machine::host::{BlockRequest, Submitted, Token};
///
/// let mut writer = ManifestWriter::new(131_072, 131_072, Encoding::None)?;
/// writer.push(&[7; 131_072])?;
/// let (manifest, _) = writer.finish()?;
/// let store = MemStore::default();
/// let mut disk = Streamed::create(store, manifest, &OverlayOptions::default(), 16 << 20)?;
///
/// let read = BlockRequest::Read { sector: 8, len: 512 };
/// assert_eq!(disk.submit(Token(1), &read), Submitted::Pending);
/// assert_eq!(disk.next_fetch(), Some(0));
/// disk.arrived(0, vec![7; 131_072])?;
/// assert_eq!(disk.take_completed(), [(Token(1), Ok(vec![7; 512]))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Streamed<S> {
    disk: Overlay<S, ChunkBase>,
    queue: Queue,
    /// Chunks on their way.
    in_flight: BTreeSet<u32>,
    /// Those of them that nobody waited for when they were asked for.
    ahead_in_flight: BTreeSet<u32>,
    ahead: Ahead,
    completed: VecDeque<(Token, BlockResult)>,
    stats: StreamStats,
}

impl<S: Store> Streamed<S> {
    /// Makes an overlay in `store`, whatever that held, over the image of a manifest.
    ///
    /// # Errors
    /// Those of [`Overlay::create`].
    pub fn create(
        store: S,
        manifest: Manifest,
        options: &OverlayOptions,
        cache_bytes: u64,
    ) -> Result<Self, CreateError> {
        let base = ChunkBase::new(manifest, cache_bytes);
        Overlay::create(store, base, options).map(Self::over)
    }

    /// Opens the overlay in `store` over the image of a manifest.
    ///
    /// # Errors
    /// Those of [`Overlay::open`]: also an overlay of another image.
    pub fn open(store: S, manifest: Manifest, cache_bytes: u64) -> Result<Self, OpenError> {
        Overlay::open(store, ChunkBase::new(manifest, cache_bytes)).map(Self::over)
    }

    /// [`Overlay::is_unfinished`] for the image of a manifest: whether `store` is empty, or what a
    /// [`Streamed::create`] that was cut short has left.
    ///
    /// # Errors
    /// Sizes that cannot be, or what the store says.
    pub fn is_unfinished(
        store: &mut S,
        manifest: &Manifest,
        options: &OverlayOptions,
    ) -> Result<bool, CreateError> {
        Overlay::is_unfinished(store, &ChunkBase::new(manifest.clone(), 0), options)
    }

    fn over(disk: Overlay<S, ChunkBase>) -> Self {
        Self {
            disk,
            queue: Queue::default(),
            in_flight: BTreeSet::new(),
            ahead_in_flight: BTreeSet::new(),
            ahead: Ahead::default(),
            completed: VecDeque::new(),
            stats: StreamStats::default(),
        }
    }

    /// Begins a request. It is done at once where nothing of the image is missing for it; a flush
    /// always is. A request that is given a second time while it waits goes on waiting.
    ///
    /// Requests that are under way together may be done in any order, as the machine's
    /// [`Host`](virtarium_machine::host::Host) says.
    pub fn submit(&mut self, token: Token, request: &BlockRequest) -> Submitted {
        let done = self.completed.iter().any(|(other, _)| *other == token);
        if done || self.queue.position(token).is_some() {
            return Submitted::Pending;
        }
        let needs = self.needs(request);
        if matches!(request, BlockRequest::Read { .. }) {
            self.note_read(&needs);
        }
        if needs.iter().all(|index| self.disk.base().has(*index)) {
            self.stats.hits += 1;
            return Submitted::Done(self.disk.execute(request));
        }
        self.stats.waits += 1;
        self.queue.requests.push_back(Waiting {
            token,
            request: request.clone(),
            needs: None,
            missing: BTreeSet::new(),
        });
        self.admit();
        Submitted::Pending
    }

    /// Nobody waits for this read any more: it is forgotten, and what it alone needs is not asked
    /// for. A request that changes the disk stays, for it has to take effect.
    pub fn abandon(&mut self, token: Token) {
        self.completed.retain(|(other, _)| *other != token);
        let Some(position) = self.queue.position(token) else {
            return;
        };
        let request = self.queue.requests.get(position);
        if request.is_some_and(|waiting| !waiting.request.changes()) {
            self.leave(position);
            // Its place in memory may be what another one needs.
            self.run();
        }
    }

    /// The next chunk to get, which is on its way from now on until [`Streamed::arrived`] or
    /// [`Streamed::failed`]: first those that requests wait for, the oldest first, then some that
    /// will be wanted if the guest goes on reading as it does. `None` for now; ask again after
    /// each [`Streamed::submit`], [`Streamed::arrived`] and [`Streamed::failed`]. Whoever limits how
    /// many are on their way asks only when there is room for one.
    pub fn next_fetch(&mut self) -> Option<u32> {
        let in_flight = &self.in_flight;
        if let Some(index) = self
            .queue
            .first_missing(|index| !in_flight.contains(&index))
        {
            self.in_flight.insert(index);
            return Some(index);
        }
        let chunk = u64::from(self.disk.base().manifest().chunk_size());
        // What requests hold must not be in the way, nor what is coming already.
        let taken = self.disk.base().pinned() + self.ahead_in_flight.len();
        let room = (taken as u64 + 1) * chunk <= self.disk.base().limit();
        if !room || self.ahead_in_flight.len() >= MAX_AHEAD {
            return None;
        }
        let (disk, in_flight) = (&self.disk, &self.in_flight);
        let count = disk.base().manifest().count();
        let index = self.ahead.next(count, |index| {
            !disk.base().has(index) && !in_flight.contains(&index) && is_read_from(disk, index)
        })?;
        self.in_flight.insert(index);
        self.ahead_in_flight.insert(index);
        self.stats.ahead += 1;
        Some(index)
    }

    /// Whether a request waits for this chunk now: whether it is worth another attempt.
    pub fn is_demanded(&self, index: u32) -> bool {
        self.queue.is_missing(index)
    }

    /// A chunk has come, unpacked ([`decode`](super::chunks::decode)). It is verified before
    /// anything else; then the requests that waited for nothing else are done. One that was not
    /// asked for is taken, too.
    ///
    /// # Errors
    /// What is wrong with the bytes. The chunk then counts as on its way still: the embedder
    /// fetches it again, or gives up with [`Streamed::failed`].
    pub fn arrived(&mut self, index: u32, raw: Vec<u8>) -> Result<(), ChunkError> {
        let len = raw.len() as u64;
        if let Err(error) = self.disk.base_mut().insert(index, raw) {
            self.stats.damaged += 1;
            return Err(error);
        }
        self.stats.fetched += 1;
        self.stats.bytes += len;
        self.landed(index);
        for waiting in &mut self.queue.requests {
            waiting.missing.remove(&index);
        }
        self.run();
        Ok(())
    }

    /// A chunk will not come. Requests that need it fail with [`BlockError::Io`]; one that needs it
    /// later asks for it anew.
    pub fn failed(&mut self, index: u32) {
        self.landed(index);
        self.stats.failed += 1;
        let mut position = 0;
        while let Some(waiting) = self.queue.requests.get(position) {
            if !waiting.missing.contains(&index) {
                position += 1;
                continue;
            }
            // What was written meanwhile may have made it needless.
            let needs = self.needs(&waiting.request);
            if needs.contains(&index) {
                if let Some(waiting) = self.leave(position) {
                    self.complete(waiting.token, Err(BlockError::Io));
                }
            } else {
                self.need(position, needs);
                position += 1;
            }
        }
        self.run();
    }

    /// The results of requests that had to wait, the first that was done first.
    pub fn take_completed(&mut self) -> Vec<(Token, BlockResult)> {
        self.completed.drain(..).collect()
    }

    /// Whether nothing is under way: no request waits, no chunk is on its way, no result is to be
    /// taken.
    pub fn is_idle(&self) -> bool {
        self.queue.requests.is_empty() && self.in_flight.is_empty() && self.completed.is_empty()
    }

    /// Number of requests that wait.
    pub fn waiting(&self) -> usize {
        self.queue.requests.len()
    }

    /// Figures so far.
    pub fn stats(&self) -> StreamStats {
        let (chunks_present, present_bytes) = self.disk.base().present();
        StreamStats {
            chunks_present,
            present_bytes,
            ..self.stats
        }
    }

    /// Size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.disk.size()
    }

    /// What the image is made of.
    pub fn manifest(&self) -> &Manifest {
        self.disk.base().manifest()
    }

    /// Makes what was written stable ([`Overlay::flush`]).
    ///
    /// # Errors
    /// What the store says.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.disk.flush()
    }

    /// The overlay: where the disk's bytes are, figures.
    pub fn overlay(&self) -> &Overlay<S, ChunkBase> {
        &self.disk
    }

    /// The overlay. Requests given to it directly fail where chunks are missing.
    pub fn overlay_mut(&mut self) -> &mut Overlay<S, ChunkBase> {
        &mut self.disk
    }

    /// The store, as it is: what was not flushed is not, and requests that wait are lost.
    pub fn into_store(self) -> S {
        self.disk.into_store()
    }

    /// The chunks that a request reads, zero ones aside.
    fn needs(&self, request: &BlockRequest) -> BTreeSet<u32> {
        let base = self.disk.base();
        let mut needs = BTreeSet::new();
        for (at, len) in self.disk.base_ranges(request) {
            let chunks = base.chunks_of(at, len);
            needs.extend(chunks.filter(|index| !base.manifest().is_zero(*index)));
        }
        needs
    }

    /// A guest read from these chunks.
    fn note_read(&mut self, needs: &BTreeSet<u32>) {
        if let (Some(first), Some(last)) = (needs.first(), needs.last()) {
            let base = self.disk.base();
            let chunk = u64::from(base.manifest().chunk_size());
            // What is read ahead must not drive out what was read ahead before it.
            let most = u32::try_from(base.limit() / chunk / 2).unwrap_or(u32::MAX);
            self.ahead.read(*first..*last + 1, most);
        }
    }

    /// Has a request at the head of the queue hold the chunks that it needs, and wait for those
    /// that are missing.
    fn need(&mut self, position: usize, needs: BTreeSet<u32>) {
        let base = self.disk.base_mut();
        let Some(waiting) = self.queue.requests.get_mut(position) else {
            return;
        };
        // Those first that are new: what both need stays in memory.
        needs.iter().for_each(|index| base.pin(*index));
        let old = waiting.needs.take().unwrap_or_default();
        old.iter().for_each(|index| base.unpin(*index));
        let missing = needs.iter().filter(|index| !base.has(**index));
        waiting.missing = missing.copied().collect();
        waiting.needs = Some(needs);
    }

    /// Takes a request out of the queue and lets its chunks go.
    fn leave(&mut self, position: usize) -> Option<Waiting> {
        let waiting = self.queue.requests.remove(position)?;
        for index in waiting.needs.iter().flatten() {
            self.disk.base_mut().unpin(*index);
        }
        Some(waiting)
    }

    fn complete(&mut self, token: Token, result: BlockResult) {
        self.completed.push_back((token, result));
    }

    fn landed(&mut self, index: u32) {
        self.in_flight.remove(&index);
        self.ahead_in_flight.remove(&index);
    }

    /// Lets requests have their chunks fetched and kept, in their order, as long as those of all
    /// have room together; the first one in any case.
    fn admit(&mut self) {
        let chunk = u64::from(self.disk.base().manifest().chunk_size());
        let mut position = 0;
        while let Some(waiting) = self.queue.requests.get(position) {
            if waiting.needs.is_none() {
                let needs = self.needs(&waiting.request);
                let base = self.disk.base();
                let more = needs.iter().filter(|index| !base.is_pinned(**index));
                let pinned = (base.pinned() + more.count()) as u64;
                if position > 0 && pinned * chunk > base.limit() {
                    return;
                }
                self.need(position, needs);
            }
            position += 1;
        }
    }

    /// Does the requests for which nothing is missing, until there is none.
    fn run(&mut self) {
        loop {
            self.admit();
            let ready = self
                .queue
                .requests
                .iter()
                .position(|waiting| waiting.needs.is_some() && waiting.missing.is_empty());
            let Some(position) = ready else {
                return;
            };
            // What ran meanwhile may have changed what this one needs.
            if let Some(waiting) = self.queue.requests.get(position) {
                let needs = self.needs(&waiting.request);
                if !needs.iter().all(|index| self.disk.base().has(*index)) {
                    self.need(position, needs);
                    continue;
                }
            }
            if let Some(waiting) = self.queue.requests.get(position) {
                let result = self.disk.execute(&waiting.request);
                let token = waiting.token;
                self.leave(position);
                self.complete(token, result);
            }
        }
    }
}

/// Whether any byte of a chunk is read from the image still.
fn is_read_from<S: Store>(disk: &Overlay<S, ChunkBase>, index: u32) -> bool {
    use super::overlay::Place;
    let manifest = disk.base().manifest();
    let mut at = manifest.offset_of(index);
    let end = at + u64::from(manifest.len_of(index));
    while let Some(extent) = disk.extent(at, end) {
        if extent.place == Place::Base {
            return true;
        }
        at += extent.len;
    }
    false
}
