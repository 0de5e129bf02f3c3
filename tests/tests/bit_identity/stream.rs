//! A disk that is streamed: its chunks come late, in any order, some of them damaged at first, between
//! slices that end anywhere. The machine is the same as with all of the disk at hand.

use virtarium_backends::disk::chunks::{Encoding, ManifestWriter};
use virtarium_tests::notes;
use virtarium_tests::programs::disk;
use virtarium_tests::random::{Rng, seed};
use virtarium_tests_wasm::{Case, End, Engine, MemoryHost, Session, Streamed};

use crate::compare::{State, run_to, state};
use crate::module::Module;
use crate::{LIMIT, repeats};

/// Bytes of a chunk.
const CHUNK: usize = 128 << 10;

/// The manifest of an image.
pub fn manifest(image: &[u8]) -> String {
    let writer = ManifestWriter::new(image.len() as u64, CHUNK as u32, Encoding::None);
    let mut writer = writer.expect("the size is possible");
    for chunk in image.chunks(CHUNK) {
        writer.push(chunk).expect("as many chunks as there are");
    }
    writer.finish().expect("all chunks are there").1
}

/// What an image's way was like.
#[derive(Clone, Copy, Default, Debug)]
pub struct Met {
    pub slices: u64,
    /// Times that the machine could not go on without a chunk.
    pub waits: u64,
    pub chunks: u64,
    pub damaged: u64,
}

/// An image on a server that takes its time.
pub struct Network {
    image: Vec<u8>,
    rng: Rng,
    /// Chunks on their way, and after how many slices each is here.
    coming: Vec<(u32, u64)>,
    /// The longest slice is 2 to the power of this.
    longest: u64,
    pub met: Met,
}

impl Network {
    pub fn new(image: Vec<u8>, seed: u64, longest: u64) -> Self {
        Self {
            image,
            rng: Rng::new(seed),
            coming: Vec::new(),
            longest,
            met: Met::default(),
        }
    }

    /// Runs to a count, as [`compare::run_to`](run_to) does, and brings chunks meanwhile.
    pub fn run_to(&mut self, engine: &mut dyn Engine, count: u64) -> State {
        loop {
            let longest = 1 << self.rng.below(self.longest + 1);
            let slice = self.rng.below(longest + 1);
            let until = engine.instructions().saturating_add(slice).min(count);
            let end = engine.run_to(until);
            self.met.slices += 1;
            while let Some(index) = engine.next_fetch() {
                let most = 1 << self.rng.below(7);
                self.coming.push((index, self.rng.below(most)));
            }
            match end {
                End::Count if until == count => return state(engine, end),
                End::Count => {}
                End::Waiting => {
                    self.met.waits += 1;
                    assert!(!self.coming.is_empty(), "nothing to wait for");
                }
                _ => return state(engine, end),
            }
            self.bring(engine);
        }
    }

    fn bring(&mut self, engine: &mut dyn Engine) {
        for (_, left) in &mut self.coming {
            *left = left.saturating_sub(1);
        }
        let here = |(_, left): &(u32, u64)| *left == 0;
        while let Some(at) = self.coming.iter().position(here) {
            let (index, _) = self.coming.swap_remove(at);
            let start = index as usize * CHUNK;
            let end = self.image.len().min(start + CHUNK);
            let mut raw = self.image[start..end].to_vec();
            let damaged = self.rng.once_in(8);
            if damaged {
                let byte = self.rng.below(raw.len() as u64) as usize;
                raw[byte] ^= 1 << self.rng.below(8);
            }
            let taken = engine.arrived(index, raw);
            assert_eq!(taken.is_err(), damaged, "chunk {index}: {taken:?}");
            if damaged {
                self.met.damaged += 1;
                self.coming.push((index, 1 + self.rng.below(16)));
            } else {
                self.met.chunks += 1;
            }
        }
    }
}

/// Compares a case with all of its disk at hand with the same one streamed, natively and in wasm.
fn check(name: &str, case: &Case, seed: u64) {
    let image = MemoryHost::new(case.disk).disk;
    let case = Case {
        manifest: Some(manifest(&image)),
        ..case.clone()
    };
    let mut whole = Session::new(&case).expect("the case is valid");
    let mut native = Streamed::streamed(&case).expect("the case is valid");
    let mut wasm = Module::new(&case);
    let network = |n| Network::new(image.clone(), Rng::case(seed, n).next(), 14);
    let mut networks = [network(0), network(1)];
    let (mut count, mut compared) = (0, 0);
    let last = loop {
        count = (count + 100_000).min(LIMIT);
        let expected = run_to(&mut whole, count);
        let engines: [(_, &mut dyn Engine); 2] = [("natively", &mut native), ("wasm", &mut wasm)];
        for ((place, engine), network) in engines.into_iter().zip(&mut networks) {
            let found = network.run_to(engine, count);
            assert_eq!(
                found, expected,
                "{name}, {place}: a streamed disk shows before {count} instructions; \
                 VIRTARIUM_SEED={seed:#x}"
            );
            compared += 1;
        }
        if expected.end != End::Count || count == LIMIT {
            break expected;
        }
    };
    assert_eq!(last.end, End::Off(0), "{name}");
    for Network { met, .. } in &networks {
        println!("{name}: {} instructions, {met:?}", last.instructions);
        assert!(
            met.waits > 50 && met.chunks > 50 && met.damaged > 0,
            "{name}: {met:?}"
        );
    }
    notes::counted("digests equal with a streamed disk", compared);
}

#[test]
fn programs_do_not_notice_that_their_disk_is_streamed() {
    let seed = seed("streamed disks");
    for round in 0..repeats() {
        let mut rng = Rng::case(seed, round);
        for (name, contended) in [("disk", false), ("disk, contended", true)] {
            let case = disk::spread(rng.next(), 300, contended);
            check(name, &case, rng.next());
        }
    }
}
