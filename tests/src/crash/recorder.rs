//! A store that notes what it is asked to do.

use std::ops::Range;

use virtarium_backends::disk::{Store, StoreError};

use super::images::{CrashImage, Crashes, EveryCrash, extremes};
use crate::random::Rng;

/// Something that happened to a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// These bytes of the log's were written from byte `at`.
    Write {
        /// First byte in the store.
        at: u64,
        /// Where in the log the bytes are.
        data: Range<usize>,
    },
    /// The length became this.
    SetLen(u64),
    /// A flush completed.
    Flush,
    /// The test said something.
    Mark(u64),
}

/// What happened to a store, and what it held before. Takes as much memory as was written.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// What the store held at first, which counts as flushed.
    pub initial: Vec<u8>,
    /// What happened, in order.
    pub events: Vec<Event>,
    bytes: Vec<u8>,
}

impl Log {
    /// The bytes of an [`Event::Write`].
    #[must_use]
    pub fn data(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// `count` crashes at random points, earlier points first, and what each may leave.
    /// The same seed gives the same crashes.
    #[must_use]
    pub fn crashes(&self, seed: u64, count: usize) -> Crashes<'_> {
        let mut rng = Rng::new(seed);
        let mut points: Vec<usize> = (0..count)
            .map(|_| rng.below(self.events.len() as u64 + 1) as usize)
            .collect();
        points.sort_unstable();
        Crashes::new(self, seed, points)
    }

    /// What a crash before event `at` leaves that loses all since the last flush, and one that
    /// loses nothing.
    #[must_use]
    pub fn extremes(&self, at: usize) -> [CrashImage; 2] {
        extremes(self, at)
    }

    /// At every point of the log: all that came before it, nothing since the last flush, each
    /// single write lost, kept alone, and torn at each block from either side. For short logs:
    /// the number of images grows with the square of the writes between two flushes.
    #[must_use]
    pub fn every_crash(&self) -> EveryCrash<'_> {
        EveryCrash::new(self)
    }
}

/// A store that does what it is asked to with another one, and notes what succeeded.
#[derive(Clone, Debug)]
pub struct Recorder<S> {
    inner: S,
    log: Log,
}

impl<S: Store> Recorder<S> {
    /// Begins a log with what the store holds.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn new(mut inner: S) -> Result<Self, StoreError> {
        let len = usize::try_from(inner.len()?).map_err(|_| StoreError::Io)?;
        let mut initial = vec![0; len];
        inner.read(0, &mut initial)?;
        let log = Log {
            initial,
            ..Log::default()
        };
        Ok(Self { inner, log })
    }

    /// Puts a mark into the log: each [`CrashImage`](super::CrashImage) says which it has passed.
    pub fn mark(&mut self, mark: u64) {
        self.log.events.push(Event::Mark(mark));
    }

    /// Number of events so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.log.events.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The store, and what happened.
    #[must_use]
    pub fn into_parts(self) -> (S, Log) {
        (self.inner, self.log)
    }

    /// What happened.
    #[must_use]
    pub fn into_log(self) -> Log {
        self.log
    }
}

impl<S: Store> Store for Recorder<S> {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        self.inner.read(at, buf)
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        self.inner.write(at, data)?;
        let start = self.log.bytes.len();
        self.log.bytes.extend_from_slice(data);
        let data = start..self.log.bytes.len();
        self.log.events.push(Event::Write { at, data });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.inner.flush()?;
        self.log.events.push(Event::Flush);
        Ok(())
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        self.inner.len()
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        self.inner.set_len(len)?;
        self.log.events.push(Event::SetLen(len));
        Ok(())
    }
}
