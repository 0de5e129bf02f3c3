//! A disk beside a plain list of what each sector holds, and of what it may hold after a crash.

use std::collections::HashMap;
use std::ops::Range;

use virtarium_backends::disk::{BaseId, MemBase, MemStore, Overlay, OverlayOptions};
use virtarium_machine::host::{BlockRequest, BlockResult};
use virtarium_tests::crash::{CrashImage, Fault, Faulty, Log, Recorder};
use virtarium_tests::random::Rng;

/// Names a content of 512 bytes, another one in each sector.
type Stamp = u64;
const ZERO: Stamp = 0;
const BASE: Stamp = 1;

type Disk = Overlay<Faulty<Recorder<MemStore>>, MemBase>;

/// Something that the guest asked to be changed when the log had this length.
struct Change {
    start: usize,
    sectors: Range<u64>,
    stamp: Stamp,
}

/// A flush that completed when the log had this length, after so many changes.
struct Flushed {
    end: usize,
    changes: usize,
    sectors: Vec<Stamp>,
}

pub struct Model {
    /// `None` while it is opened anew.
    disk: Option<Disk>,
    rng: Rng,
    live: Vec<Stamp>,
    changes: Vec<Change>,
    flushed: Vec<Flushed>,
    next: Stamp,
}

fn content(base: &MemBase, sector: u64, stamp: Stamp) -> [u8; 512] {
    let mut bytes = [0; 512];
    if stamp == BASE {
        let from = base.bytes.get(sector as usize * 512..).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(from) {
            *to = *from;
        }
    } else if stamp != ZERO {
        let mut rng = Rng::case(stamp, sector);
        for word in bytes.chunks_exact_mut(8) {
            word.copy_from_slice(&rng.next().to_le_bytes());
        }
    }
    bytes
}

/// A base of this many random bytes.
pub fn base(size: usize) -> MemBase {
    let mut rng = Rng::new(size as u64);
    MemBase {
        id: BaseId([5; 32]),
        bytes: (0..size).map(|_| rng.next() as u8).collect(),
    }
}

impl Model {
    /// A new disk. Its creation is not in the log.
    pub fn create(rng: Rng, base: MemBase, options: &OverlayOptions) -> Self {
        let disk = Overlay::create(MemStore::default(), base.clone(), options);
        let disk = disk.expect("the options are possible");
        let sectors = vec![BASE; (disk.size() / 512) as usize];
        let (disk, live) = open(disk.into_store(), &base, |_| Vec::new(), &sectors);
        Self::with(rng, disk, live, BASE + 1)
    }

    fn with(rng: Rng, disk: Disk, live: Vec<Stamp>, next: Stamp) -> Self {
        Self {
            disk: Some(disk),
            rng,
            changes: Vec::new(),
            flushed: vec![Flushed {
                end: 0,
                changes: 0,
                sectors: live.clone(),
            }],
            live,
            next,
        }
    }

    pub fn disk(&mut self) -> &mut Disk {
        self.disk.as_mut().expect("it is open between two steps")
    }

    pub fn log(&self) -> &Log {
        let disk = self.disk.as_ref().expect("it is open between two steps");
        disk.store().inner().log()
    }

    fn position(&self) -> usize {
        self.log().events.len()
    }

    pub fn set_fault(&mut self, fault: Fault) {
        self.disk().store_mut().fault = fault;
    }

    /// A random request, or a look at the disk.
    pub fn step(&mut self) {
        let sectors = self.range();
        match self.rng.below(100) {
            0..45 => drop(self.write(sectors)),
            45..55 => {
                let unmap = self.rng.once_in(2);
                self.zero(sectors, unmap);
            }
            55..65 => self.discard(sectors),
            65..80 => drop(self.flush()),
            80..82 => {
                if self.disk().close().is_ok() {
                    self.flushed();
                }
            }
            82..84 => self.reopen(),
            _ => self.check(sectors),
        }
    }

    /// Sectors that a request may be about: mostly few, often the same.
    fn range(&mut self) -> Range<u64> {
        let size = self.live.len() as u64;
        let hot = size.min(256);
        let (bound, count) = match self.rng.below(20) {
            0 => (size, 1 + self.rng.below(512)),
            1 if self.rng.once_in(8) => (size, size),
            1..8 => (hot, 1 + self.rng.below(20)),
            8..12 => (size, 1 + self.rng.below(20)),
            _ => (size, 8),
        };
        let start = self.rng.below(bound);
        let start = if count == 8 { start & !7 } else { start };
        start..(start + count).min(size)
    }

    fn request(
        &mut self,
        request: &BlockRequest,
        sectors: Range<u64>,
        stamp: Stamp,
    ) -> BlockResult {
        let start = self.position();
        let change = Change {
            start,
            sectors: sectors.clone(),
            stamp,
        };
        self.changes.push(change);
        let result = self.disk().execute(request);
        if result.is_ok() && !matches!(request, BlockRequest::Discard { .. }) {
            self.live[sectors.start as usize..sectors.end as usize].fill(stamp);
        } else {
            // Each sector is one or the other.
            let bytes = self.read(sectors.clone());
            for (sector, bytes) in sectors.zip(bytes.chunks_exact(512)) {
                let old = self.live[sector as usize];
                let base = self.disk().base();
                let found = [old, stamp]
                    .into_iter()
                    .find(|stamp| content(base, sector, *stamp) == bytes);
                self.live[sector as usize] =
                    found.expect("neither what was nor what was asked for");
            }
        }
        result
    }

    pub fn write(&mut self, sectors: Range<u64>) -> BlockResult {
        let stamp = self.next;
        self.next += 1;
        let base = self.disk().base();
        let data = sectors.clone();
        let data = data.flat_map(|sector| content(base, sector, stamp));
        let request = BlockRequest::Write {
            sector: sectors.start,
            data: data.collect(),
        };
        self.request(&request, sectors, stamp)
    }

    pub fn zero(&mut self, sectors: Range<u64>, unmap: bool) {
        let request = BlockRequest::WriteZeroes {
            sector: sectors.start,
            count: sectors.end - sectors.start,
            unmap,
        };
        drop(self.request(&request, sectors, ZERO));
    }

    pub fn discard(&mut self, sectors: Range<u64>) {
        let request = BlockRequest::Discard {
            sector: sectors.start,
            count: sectors.end - sectors.start,
        };
        drop(self.request(&request, sectors, ZERO));
    }

    pub fn flush(&mut self) -> BlockResult {
        let result = self.disk().execute(&BlockRequest::Flush);
        if result.is_ok() {
            self.flushed();
        }
        result
    }

    fn flushed(&mut self) {
        let flushed = Flushed {
            end: self.position(),
            changes: self.changes.len(),
            sectors: self.live.clone(),
        };
        self.flushed.push(flushed);
    }

    fn read(&mut self, sectors: Range<u64>) -> Vec<u8> {
        let request = BlockRequest::Read {
            sector: sectors.start,
            len: (sectors.end - sectors.start) * 512,
        };
        self.disk()
            .execute(&request)
            .expect("reading goes on whatever happens")
    }

    /// What is read is what was last written.
    pub fn check(&mut self, sectors: Range<u64>) {
        let bytes = self.read(sectors.clone());
        for (sector, bytes) in sectors.zip(bytes.chunks_exact(512)) {
            let stamp = self.live[sector as usize];
            let expected = content(self.disk().base(), sector, stamp);
            assert!(bytes == expected, "sector {sector} reads as something else");
        }
    }

    pub fn check_all(&mut self) {
        let all = 0..self.live.len() as u64;
        self.check(all);
    }

    /// As if the program were killed, and the host not; on a host without faults.
    pub fn reopen(&mut self) {
        let disk = self.disk.take().expect("it is open between two steps");
        let base = disk.base().clone();
        let mut store = disk.into_store();
        store.fault = Fault::None;
        let at = store.inner().position();
        let (old, candidates) = self.allowed(at);
        let mut disk = Overlay::open(store, base.clone()).expect("it was open before");
        self.live = identify(&mut disk, &base, old, &candidates);
        self.disk = Some(disk);
        self.flushed();
    }

    /// What each sector holds that nothing changed since the last flush before this point of the
    /// log; and what those may hold that something did.
    fn allowed(&self, at: usize) -> (&[Stamp], HashMap<u64, Vec<Stamp>>) {
        let flushed = self.flushed.iter().rev().find(|flushed| flushed.end <= at);
        let flushed = flushed.expect("the first one is at 0");
        let mut candidates: HashMap<u64, Vec<Stamp>> = HashMap::new();
        for change in &self.changes[flushed.changes..] {
            if change.start < at {
                for sector in change.sectors.clone() {
                    candidates.entry(sector).or_default().push(change.stamp);
                }
            }
        }
        (&flushed.sectors, candidates)
    }

    /// Opens what a crash left, and sees that each sector is what it may be. Returns a model that
    /// goes on from there.
    pub fn after(&self, image: CrashImage, rng: Rng) -> Self {
        let (old, candidates) = self.allowed(image.at);
        let base = self.disk.as_ref().expect("it is open").base().clone();
        let candidates = |sector| candidates.get(&sector).cloned().unwrap_or_default();
        let (disk, live) = open(MemStore::new(image.bytes), &base, candidates, old);
        Self::with(rng, disk, live, self.next)
    }
}

/// Opens a store that must be sound, and says what each sector holds.
fn open(
    mut store: MemStore,
    base: &MemBase,
    candidates: impl Fn(u64) -> Vec<Stamp>,
    old: &[Stamp],
) -> (Disk, Vec<Stamp>) {
    let report = Overlay::<_, MemBase>::verify(&mut store).expect("memory can be read");
    assert_eq!(report.problems, [], "no crash is damage");
    let store = Faulty::new(Recorder::new(store).expect("memory can be read"));
    let mut disk = Overlay::open(store, base.clone()).expect("no crash keeps it from opening");
    let candidates = (0..old.len() as u64)
        .map(|sector| (sector, candidates(sector)))
        .filter(|(_, candidates)| !candidates.is_empty())
        .collect();
    let live = identify(&mut disk, base, old, &candidates);
    (disk, live)
}

fn identify(
    disk: &mut Disk,
    base: &MemBase,
    old: &[Stamp],
    candidates: &HashMap<u64, Vec<Stamp>>,
) -> Vec<Stamp> {
    let mut bytes = vec![0; old.len() * 512];
    disk.read_at(0, &mut bytes).expect("memory can be read");
    let each = old.iter().zip(bytes.chunks_exact(512)).enumerate();
    each.map(|(sector, (old, bytes))| {
        let sector = sector as u64;
        let new = candidates.get(&sector).map_or(&[][..], Vec::as_slice);
        let found = std::iter::once(old)
            .chain(new)
            .find(|stamp| content(base, sector, **stamp) == bytes);
        let found = found.copied();
        found.unwrap_or_else(|| {
            panic!("sector {sector} holds neither content {old} nor one of {new:?}")
        })
    })
    .collect()
}
