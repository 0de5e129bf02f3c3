//! What a crash may leave of a log.

use super::recorder::{Event, Log};
use crate::random::Rng;

const BLOCK: u64 = 512;

/// What the store holds after one crash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CrashImage {
    /// The content.
    pub bytes: Vec<u8>,
    /// Number of events of the log before the crash.
    pub at: usize,
    /// The last mark before the crash.
    pub mark: Option<u64>,
    /// What was lost, in words.
    pub what: String,
}

/// Which of the events since the last flush are kept.
#[derive(Clone, Debug)]
enum Loss {
    Nothing,
    Everything,
    /// Each write whole or not at all.
    Writes(Rng),
    /// Each block.
    Blocks(Rng),
    /// One event.
    One(usize),
    /// All events but one.
    AllBut(usize),
    /// All events before this one: the newest came first.
    Before(usize),
    /// Of one write, the blocks from this one on, or those before it.
    Torn {
        event: usize,
        block: u64,
        head: bool,
    },
}

impl Loss {
    /// Whether a block of an event is kept; a change of length is a block 0.
    fn keeps(&mut self, event: usize, block: u64) -> bool {
        match self {
            Self::Nothing => true,
            Self::Everything => false,
            Self::Writes(rng) => Rng::case(rng.clone().next(), event as u64).once_in(2),
            Self::Blocks(rng) => rng.once_in(2),
            Self::One(lost) => event != *lost,
            Self::AllBut(kept) => event == *kept,
            Self::Before(first) => event >= *first,
            Self::Torn {
                event: torn,
                block: at,
                head,
            } => event != *torn || (block < *at) != *head,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Nothing => "nothing lost".into(),
            Self::Everything => "all lost since the last flush".into(),
            Self::Writes(_) => "some writes lost".into(),
            Self::Blocks(_) => "some blocks lost".into(),
            Self::One(event) => format!("event {event} lost"),
            Self::AllBut(event) => format!("all lost since the last flush but event {event}"),
            Self::Before(event) => format!("all lost from the last flush to event {event}"),
            Self::Torn { event, block, head } => {
                let part = if *head { "before" } else { "from" };
                format!("event {event} torn: blocks {part} {block} lost")
            }
        }
    }
}

/// Number of blocks of a write.
fn blocks(at: u64, len: usize) -> u64 {
    (at + len as u64).div_ceil(BLOCK) - at / BLOCK
}

fn write(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
    let (start, end) = (at as usize, at as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

/// Goes through a log and keeps what is stable.
#[derive(Clone, Debug)]
struct Cursor<'a> {
    log: &'a Log,
    /// What was flushed before event `flushed`.
    stable: Vec<u8>,
    flushed: usize,
    at: usize,
    mark: Option<u64>,
}

impl<'a> Cursor<'a> {
    fn new(log: &'a Log) -> Self {
        Self {
            log,
            stable: log.initial.clone(),
            flushed: 0,
            at: 0,
            mark: None,
        }
    }

    /// Goes on to the point before event `at`.
    fn advance(&mut self, at: usize) {
        while self.at < at {
            match self.log.events[self.at] {
                Event::Flush => {
                    let window = self.flushed..self.at;
                    apply(self.log, &mut self.stable, window, &mut Loss::Nothing);
                    self.flushed = self.at + 1;
                }
                Event::Mark(mark) => self.mark = Some(mark),
                Event::Write { .. } | Event::SetLen(_) => {}
            }
            self.at += 1;
        }
    }

    fn image(&self, mut loss: Loss, stretch: bool) -> CrashImage {
        let mut bytes = self.stable.clone();
        let window = self.flushed..self.at;
        apply(self.log, &mut bytes, window.clone(), &mut loss);
        if stretch {
            // The length may be stable before the bytes that it makes room for.
            let mut full = self.stable.clone();
            apply(self.log, &mut full, window, &mut Loss::Nothing);
            if bytes.len() < full.len() {
                bytes.resize(full.len(), 0);
            }
        }
        CrashImage {
            bytes,
            at: self.at,
            mark: self.mark,
            what: format!("crash before event {}, {}", self.at, loss.words()),
        }
    }

    /// Writes since the last flush, with their numbers of blocks.
    fn writes(&self) -> Vec<(usize, u64)> {
        (self.flushed..self.at)
            .filter_map(|event| match &self.log.events[event] {
                Event::Write { at, data } => Some((event, blocks(*at, data.len()))),
                Event::SetLen(_) => Some((event, 1)),
                Event::Flush | Event::Mark(_) => None,
            })
            .collect()
    }
}

fn apply(log: &Log, bytes: &mut Vec<u8>, window: std::ops::Range<usize>, loss: &mut Loss) {
    for event in window {
        match &log.events[event] {
            Event::Write { at, data } => {
                let data = log.data(data);
                let mut from = 0;
                for block in 0..blocks(*at, data.len()) {
                    let end = ((at / BLOCK + block + 1) * BLOCK - at) as usize;
                    let to = end.min(data.len());
                    if loss.keeps(event, block) {
                        write(bytes, at + from as u64, &data[from..to]);
                    }
                    from = to;
                }
            }
            Event::SetLen(len) if loss.keeps(event, 0) => bytes.resize(*len as usize, 0),
            Event::SetLen(_) | Event::Flush | Event::Mark(_) => {}
        }
    }
}

/// See [`Log::extremes`].
pub(super) fn extremes(log: &Log, at: usize) -> [CrashImage; 2] {
    let mut cursor = Cursor::new(log);
    cursor.advance(at);
    [Loss::Everything, Loss::Nothing].map(|loss| cursor.image(loss, false))
}

/// Random crashes of a log; see [`Log::crashes`].
#[derive(Clone, Debug)]
pub struct Crashes<'a> {
    cursor: Cursor<'a>,
    seed: u64,
    points: Vec<usize>,
    next: usize,
    step: usize,
}

impl<'a> Crashes<'a> {
    pub(super) fn new(log: &'a Log, seed: u64, points: Vec<usize>) -> Self {
        Self {
            cursor: Cursor::new(log),
            seed,
            points,
            next: 0,
            step: 1,
        }
    }

    /// Every n-th of the crashes, from number `k`, from 0: the shards together are the whole.
    ///
    /// # Panics
    /// Unless `k` is below `n`.
    #[must_use]
    pub fn shard(mut self, k: usize, n: usize) -> Self {
        assert!(k < n, "shard {k} of {n}");
        (self.next, self.step) = (k, n);
        self
    }
}

impl Iterator for Crashes<'_> {
    type Item = CrashImage;

    fn next(&mut self) -> Option<CrashImage> {
        let point = *self.points.get(self.next)?;
        let mut rng = Rng::case(self.seed, self.next as u64);
        self.next += self.step;
        self.cursor.advance(point);
        let writes = self.cursor.writes();
        let any = |rng: &mut Rng| writes[rng.below(writes.len() as u64) as usize];
        let loss = if writes.is_empty() {
            Loss::Nothing
        } else {
            match rng.below(9) {
                0 => Loss::Nothing,
                1 => Loss::Everything,
                2 => Loss::Writes(rng.clone()),
                3 => Loss::One(any(&mut rng).0),
                4 => Loss::AllBut(any(&mut rng).0),
                5 => Loss::Before(any(&mut rng).0),
                6 | 7 => {
                    // The last write is the one that a killed process leaves half done.
                    let (event, blocks) = if rng.once_in(2) {
                        any(&mut rng)
                    } else {
                        writes[writes.len() - 1]
                    };
                    Loss::Torn {
                        event,
                        block: rng.below(blocks + 1),
                        head: rng.once_in(2),
                    }
                }
                _ => Loss::Blocks(rng.clone()),
            }
        };
        Some(self.cursor.image(loss, rng.once_in(4)))
    }
}

/// Every crash of a log with one loss; see [`Log::every_crash`].
#[derive(Clone, Debug)]
pub struct EveryCrash<'a> {
    cursor: Cursor<'a>,
    losses: std::vec::IntoIter<Loss>,
    done: bool,
}

impl<'a> EveryCrash<'a> {
    pub(super) fn new(log: &'a Log) -> Self {
        let cursor = Cursor::new(log);
        let losses = vec![Loss::Nothing].into_iter();
        Self {
            cursor,
            losses,
            done: false,
        }
    }

    fn losses(&self) -> Vec<Loss> {
        let mut losses = vec![Loss::Nothing, Loss::Everything];
        for (event, blocks) in self.cursor.writes() {
            losses.extend([Loss::One(event), Loss::AllBut(event)]);
            for block in 1..blocks {
                losses.extend([true, false].map(|head| Loss::Torn { event, block, head }));
            }
        }
        losses
    }
}

impl Iterator for EveryCrash<'_> {
    type Item = CrashImage;

    fn next(&mut self) -> Option<CrashImage> {
        loop {
            if let Some(loss) = self.losses.next() {
                return Some(self.cursor.image(loss, false));
            }
            if self.done || self.cursor.at == self.cursor.log.events.len() {
                self.done = true;
                return None;
            }
            self.cursor.advance(self.cursor.at + 1);
            self.losses = self.losses().into_iter();
        }
    }
}
