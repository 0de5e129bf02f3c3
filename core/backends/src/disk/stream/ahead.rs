//! Which chunks a guest that reads on and on will want next.

use core::ops::Range;

/// Streams that are followed at a time: a guest reads more than one file.
const STREAMS: usize = 4;
/// The most chunks that are wanted ahead of one stream.
const MAX_WINDOW: u32 = 16;

/// One place at which chunk after chunk is read.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// The last chunk that was read.
    last: u32,
    /// How many chunks are wanted behind it; 0 until it has moved on once.
    window: u32,
    /// The next chunk to ask for ahead: each is asked for once.
    next: u32,
    /// When it was read from the last time.
    used: u64,
}

/// The places at which a disk is read, and how far ahead of them chunks are wanted.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    /// At most [`STREAMS`].
    streams: alloc::vec::Vec<Stream>,
    time: u64,
}

impl Ahead {
    /// Chunks of the image were read, at once or one behind the other. `most` bounds the window.
    pub fn read(&mut self, chunks: Range<u32>, most: u32) {
        if chunks.is_empty() {
            return;
        }
        self.time += 1;
        let last = chunks.end - 1;
        // A read that begins where one has ended goes on from there; or within what is wanted ahead.
        let known = self.streams.iter_mut().find(|stream| {
            let reach = stream.last..=stream.last + 1 + stream.window;
            chunks.contains(&stream.last) || reach.contains(&chunks.start)
        });
        if let Some(stream) = known {
            stream.used = self.time;
            if last > stream.last {
                stream.last = last;
                stream.window = (stream.window * 2).max(1).min(MAX_WINDOW.min(most));
                stream.next = stream.next.max(last + 1);
            }
            return;
        }
        let stream = Stream {
            last,
            window: 0,
            next: last + 1,
            used: self.time,
        };
        if self.streams.len() < STREAMS {
            self.streams.push(stream);
        } else if let Some(oldest) = self.streams.iter_mut().min_by_key(|stream| stream.used) {
            *oldest = stream;
        }
    }

    /// The next chunk to ask for ahead, of those before `count` that `wanted` takes. Ends: no chunk
    /// is asked for a second time before its stream has moved on.
    pub fn next(&mut self, count: u32, mut wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        // The stream that was read last first.
        self.streams
            .sort_unstable_by_key(|stream| u64::MAX - stream.used);
        for stream in &mut self.streams {
            let end = (stream.last + 1 + stream.window).min(count);
            while stream.next < end {
                let index = stream.next;
                stream.next += 1;
                if wanted(index) {
                    return Some(index);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// What is asked for after a read.
    fn after(ahead: &mut Ahead, chunks: Range<u32>) -> Vec<u32> {
        ahead.read(chunks, u32::MAX);
        core::iter::from_fn(|| ahead.next(100, |_| true)).collect()
    }

    #[test]
    fn window_grows_while_reading_goes_on_and_ends_with_the_image() {
        let mut ahead = Ahead::default();
        assert_eq!(after(&mut ahead, 0..1), []);
        assert_eq!(after(&mut ahead, 1..2), [2]);
        // The same chunk again is no progress.
        assert_eq!(after(&mut ahead, 1..2), []);
        assert_eq!(after(&mut ahead, 2..3), [3, 4]);
        assert_eq!(after(&mut ahead, 3..4), [5, 6, 7]);
        assert_eq!(after(&mut ahead, 4..6), Vec::from_iter(8..14));
        assert_eq!(after(&mut ahead, 6..7), Vec::from_iter(14..23));
        assert_eq!(after(&mut ahead, 7..8), [23]);
        assert_eq!(after(&mut ahead, 8..90), Vec::from_iter(90..100));
        assert_eq!(after(&mut ahead, 90..100), []);
    }

    #[test]
    fn jumps_ask_for_nothing() {
        let mut ahead = Ahead::default();
        for chunk in [5, 50, 20, 70, 33, 5, 90, 88, 50] {
            assert_eq!(after(&mut ahead, chunk..chunk + 1), []);
        }
    }

    #[test]
    fn streams_are_followed_side_by_side() {
        let mut ahead = Ahead::default();
        for start in [0, 30, 60] {
            assert_eq!(after(&mut ahead, start..start + 1), []);
        }
        for start in [0, 30, 60] {
            assert_eq!(after(&mut ahead, start + 1..start + 2), [start + 2]);
        }
        for start in [60, 0, 30] {
            let expected = [start + 3, start + 4];
            assert_eq!(after(&mut ahead, start + 2..start + 3), expected);
        }
    }

    #[test]
    fn window_has_the_bound_that_is_given() {
        let mut ahead = Ahead::default();
        for chunk in 0..20 {
            ahead.read(chunk..chunk + 1, 2);
            let asked = core::iter::from_fn(|| ahead.next(100, |_| true)).last();
            assert!(asked.is_none_or(|asked| asked <= chunk + 2), "{asked:?}");
        }
    }
}
