//! Requests that wait for chunks.

use alloc::collections::{BTreeSet, VecDeque};

use virtarium_machine::host::{BlockRequest, Token};

/// A request that cannot be done yet.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub token: Token,
    pub request: BlockRequest,
    /// The chunks that it needs, all of them pinned; `None` until there is room for them.
    pub needs: Option<BTreeSet<u32>>,
    /// Those of them that are not there.
    pub missing: BTreeSet<u32>,
}

/// Requests in the order in which they came. Chunks are fetched and kept for as many of the first
/// ones as there is room, and for the very first whatever it needs: so it always gets done.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub requests: VecDeque<Waiting>,
}

impl Queue {
    /// The place of a request.
    pub fn position(&self, token: Token) -> Option<usize> {
        let mut requests = self.requests.iter();
        requests.position(|waiting| waiting.token == token)
    }

    /// Whether a request waits for a chunk.
    pub fn is_missing(&self, index: u32) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|waiting| waiting.missing.contains(&index))
    }

    /// The first chunk that a request waits for and that `wanted` takes, the oldest request first.
    pub fn first_missing(&self, mut wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        let missing = self.requests.iter().flat_map(|waiting| &waiting.missing);
        missing.copied().find(|index| wanted(*index))
    }
}
