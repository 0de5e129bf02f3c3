//! A streamed disk beside a plain one that has all of its image, under random requests, and chunks
//! that come in any order, damaged, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use virtarium_backends::disk::chunks::ChunkError;
use virtarium_backends::disk::{MemBase, MemStore, Overlay, OverlayOptions, Streamed};
use virtarium_machine::host::{BlockError, BlockRequest, BlockResult, Submitted, Token};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};

use crate::images::{CHUNK, Image};

struct Model {
    rng: Rng,
    image: Image,
    disk: Streamed<MemStore>,
    plain: Overlay<MemStore, MemBase>,
    cache: u64,
    /// What waits, in the order of its submission.
    waiting: Vec<(Token, BlockRequest)>,
    in_flight: BTreeSet<u32>,
    /// Chunks that were given up while a request waited: it may fail.
    may_fail: BTreeSet<Token>,
    next: u64,
    results: BTreeMap<&'static str, u64>,
}

/// The sectors that a request touches, and whether it changes them.
fn touches(request: &BlockRequest) -> Range<u64> {
    match request {
        BlockRequest::Read { sector, len } => *sector..sector + len / 512,
        BlockRequest::Write { sector, data } => *sector..sector + data.len() as u64 / 512,
        BlockRequest::Flush => 0..0,
        BlockRequest::Discard { sector, count }
        | BlockRequest::WriteZeroes { sector, count, .. } => *sector..sector + count,
    }
}

impl Model {
    fn new(mut rng: Rng) -> Self {
        let size = (1 + rng.below(20)) as usize * CHUNK + rng.below(256) as usize * 512 + 512;
        let zeros = rng.next();
        let image = Image::new(size, rng.next(), |index| zeros >> (index % 64) & 1 == 0);
        let chunk = CHUNK as u64;
        let cache = match rng.below(4) {
            0 => 0,
            1 => chunk + rng.below(chunk),
            2 => chunk * rng.below(6),
            _ => 64 * chunk,
        };
        let more = rng.below(3) * 300 * 512;
        let options = OverlayOptions {
            size: rng.once_in(3).then_some(size as u64 + more),
            cluster_bits: 13 + rng.below(5) as u32,
            journal_len: 8192,
        };
        let store = MemStore::default;
        let disk = Streamed::create(store(), image.manifest.clone(), &options, cache);
        let plain = Overlay::create(store(), image.base(), &options);
        Self {
            rng,
            disk: disk.expect("the options are possible"),
            plain: plain.expect("the options are possible"),
            image,
            cache,
            waiting: Vec::new(),
            in_flight: BTreeSet::new(),
            may_fail: BTreeSet::new(),
            next: 0,
            results: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.results.entry(what).or_default() += 1;
    }

    fn request(&mut self) -> BlockRequest {
        let sectors = self.disk.size() / 512;
        let count = match self.rng.below(10) {
            0 => 1 + self.rng.below(2000),
            1..6 => 8,
            _ => 1 + self.rng.below(40),
        };
        let sector = match self.rng.below(3) {
            // Around the border of two chunks.
            0 => {
                let border = self.rng.below(24) * (CHUNK as u64 / 512);
                (border + self.rng.below(16)).saturating_sub(8)
            }
            _ => self.rng.below(sectors),
        };
        let sector = sector.min(sectors - 1);
        let count = count.min(sectors - sector);
        match self.rng.below(20) {
            0..9 => BlockRequest::Read {
                sector,
                len: count * 512,
            },
            9..15 => BlockRequest::Write {
                sector,
                data: vec![self.rng.next() as u8; count as usize * 512],
            },
            15..17 => BlockRequest::WriteZeroes {
                sector,
                count,
                unmap: self.rng.once_in(2),
            },
            17..19 => BlockRequest::Discard { sector, count },
            _ => BlockRequest::Flush,
        }
    }

    /// The machine holds back what would touch sectors of another request, one of which changes.
    fn is_held_back(&self, request: &BlockRequest) -> bool {
        let own = touches(request);
        self.waiting.iter().any(|(_, other)| {
            let theirs = touches(other);
            let overlap = own.start < theirs.end && theirs.start < own.end;
            overlap && (request.changes() || other.changes())
        })
    }

    fn submit(&mut self) {
        let request = self.request();
        if self.is_held_back(&request) {
            return;
        }
        self.next += 1;
        let token = Token(self.next);
        match self.disk.submit(token, &request) {
            Submitted::Done(result) => {
                self.count("at once");
                self.compare(&request, &result);
            }
            Submitted::Pending => {
                assert_ne!(request, BlockRequest::Flush, "a flush waits for no chunk");
                assert!(!matches!(request, BlockRequest::Discard { .. }));
                // A machine that was restored from a snapshot asks again.
                if self.rng.once_in(10) {
                    assert_eq!(self.disk.submit(token, &request), Submitted::Pending);
                }
                self.waiting.push((token, request));
            }
        }
    }

    fn compare(&mut self, request: &BlockRequest, result: &BlockResult) {
        let expected = self.plain.execute(request);
        assert!(*result == expected, "{request:?} has another result");
    }

    fn take(&mut self) {
        for (token, result) in self.disk.take_completed() {
            let position = self.waiting.iter().position(|(other, _)| *other == token);
            let position = position.expect("it waits, and has not been answered");
            let (_, request) = self.waiting.remove(position);
            if result == Err(BlockError::Io) {
                assert!(
                    self.may_fail.remove(&token),
                    "it needed no chunk that failed"
                );
                self.count("failed");
            } else {
                self.count("later");
                self.compare(&request, &result);
            }
        }
    }

    fn fetch(&mut self) -> bool {
        let Some(index) = self.disk.next_fetch() else {
            return false;
        };
        let manifest = &self.image.manifest;
        assert!(
            index < manifest.count() && !manifest.is_zero(index),
            "{index}"
        );
        assert!(!self.disk.overlay().base().has(index), "{index} is there");
        assert!(self.in_flight.insert(index), "{index} is on its way");
        true
    }

    /// One of the chunks that are on their way comes, or not.
    fn arrive(&mut self, all_is_well: bool) {
        let nth = self.rng.below(self.in_flight.len().max(1) as u64) as usize;
        let Some(index) = self.in_flight.iter().nth(nth).copied() else {
            return;
        };
        if !all_is_well && self.rng.once_in(6) {
            self.damaged(index);
            return;
        }
        self.in_flight.remove(&index);
        if !all_is_well && self.rng.once_in(6) {
            for (token, request) in &self.waiting {
                let ranges = self.disk.overlay().base_ranges(request);
                let mut chunks = ranges.iter().map(|(at, len)| {
                    let chunk = CHUNK as u64;
                    at / chunk..(at + len).div_ceil(chunk)
                });
                if chunks.any(|chunks| chunks.contains(&u64::from(index))) {
                    self.may_fail.insert(*token);
                }
            }
            self.disk.failed(index);
        } else {
            let chunk = self.image.chunk(index);
            self.disk
                .arrived(index, chunk)
                .expect("it is the right one");
        }
        self.take();
    }

    fn damaged(&mut self, index: u32) {
        let mut chunk = self.image.chunk(index);
        let kind = self.rng.below(3);
        match kind {
            0 => {
                let at = self.rng.below(chunk.len() as u64) as usize;
                chunk[at] ^= 1 << self.rng.below(8);
            }
            1 => chunk.truncate(self.rng.below(chunk.len() as u64) as usize),
            _ => chunk.push(0),
        }
        let before = self.disk.stats();
        let error = self.disk.arrived(index, chunk).expect_err("it is damaged");
        assert_eq!(kind == 0, error == ChunkError::Hash { index }, "{error}");
        assert_eq!(self.disk.stats().damaged, before.damaged + 1);
        assert!(
            self.disk.take_completed().is_empty(),
            "nothing is done with it"
        );
        self.count("damaged");
    }

    fn abandon(&mut self) {
        let nth = self.rng.below(self.waiting.len().max(1) as u64) as usize;
        let Some((token, request)) = self.waiting.get(nth).cloned() else {
            return;
        };
        if request.changes() {
            return;
        }
        self.waiting.remove(nth);
        self.disk.abandon(token);
        self.take();
        self.count("abandoned");
    }

    /// No more chunks are in memory than there is room for, or than the oldest request needs.
    fn check_memory(&self) {
        let chunk = CHUNK as u64;
        let oldest = self.waiting.first().map_or(0, |(_, request)| {
            let ranges = self.disk.overlay().base_ranges(request);
            let chunks = ranges
                .iter()
                .flat_map(|(at, len)| at / chunk..(at + len).div_ceil(chunk));
            chunks.collect::<BTreeSet<_>>().len() as u64
        });
        let present = self.disk.stats().present_bytes;
        let most = self.cache.max(oldest * chunk);
        assert!(present <= most, "{present} bytes, where {most} have room");
        assert_eq!(self.disk.waiting(), self.waiting.len());
    }

    /// Everything gets done, if chunks come.
    fn drain(&mut self) {
        while !self.waiting.is_empty() {
            while self.fetch() {}
            assert!(
                !self.in_flight.is_empty(),
                "{} requests hang",
                self.waiting.len()
            );
            self.arrive(true);
            self.check_memory();
        }
        while !self.in_flight.is_empty() {
            self.arrive(true);
        }
        assert!(self.disk.is_idle());
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..8 => self.submit(),
            8..13 => drop(self.fetch()),
            13..19 => self.arrive(false),
            _ => self.abandon(),
        }
        self.check_memory();
    }

    /// Reads all of it.
    fn check_all(&mut self) {
        let size = self.disk.size();
        let mut at = 0;
        while at < size {
            let len = (1 << 20).min(size - at);
            let sector = at / 512;
            self.next += 1;
            let request = BlockRequest::Read { sector, len };
            match self.disk.submit(Token(self.next), &request) {
                Submitted::Done(result) => self.compare(&request, &result),
                Submitted::Pending => self.waiting.push((Token(self.next), request)),
            }
            self.drain();
            at += len;
        }
    }

    /// As if the page were loaded again.
    fn reopen(&mut self) {
        self.drain();
        self.disk.flush().expect("memory takes all");
        let store = self.disk.clone().into_store();
        let disk = Streamed::open(store, self.image.manifest.clone(), self.cache);
        self.disk = disk.expect("it is an overlay of this image");
    }
}

#[test]
fn streamed_disk_is_the_same_as_one_that_has_its_image() {
    let seed = seed("streamed disks");
    let cases = if soak() { 5000 } else { 150 };
    let cases = setting("VIRTARIUM_STREAMED_CASES").unwrap_or(cases);
    let mut results: BTreeMap<&str, u64> = BTreeMap::new();
    for case in 0..cases {
        let run = std::panic::AssertUnwindSafe(|| {
            let mut model = Model::new(Rng::case(seed, case));
            for step in 0..600 {
                model.step();
                if step == 400 && case % 3 == 0 {
                    model.reopen();
                }
            }
            model.drain();
            model.check_all();
            model.results
        });
        let result = std::panic::catch_unwind(run);
        for (what, count) in result.unwrap_or_else(|_| panic!("case {case} of seed {seed:#x}")) {
            *results.entry(what).or_default() += count;
        }
    }
    for what in ["at once", "later", "failed", "damaged", "abandoned"] {
        let count = results.get(what).copied().unwrap_or_default();
        assert!(count > cases, "{what}: {count} is too few to mean anything");
    }
    counted("requests to streamed disks", results.values().sum());
}
