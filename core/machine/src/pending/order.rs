//! Which requests the embedder may have at the same time.
//!
//! Between two flushes an embedder does what it has in any order, and so may a device (virtio
//! leaves that open). But what a guest reads must not depend on how long the host takes, so that
//! of two requests for the same sectors, one of which changes them, the later is held back until
//! the earlier is answered: they take effect in the order of their submission, as with an embedder
//! that answers at once. When the guest sees them done has nothing to do with it.

use alloc::vec::Vec;

use crate::host::{BlockRequest, SECTOR_SIZE, Token};

/// The sectors that a request is about. None for a flush, which is about what is completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reach {
    disk: usize,
    start: u64,
    end: u64,
    changes: bool,
}

impl Reach {
    fn of(disk: usize, request: &BlockRequest) -> Self {
        let (start, count) = match request {
            BlockRequest::Read { sector, len } => (*sector, len.div_ceil(SECTOR_SIZE)),
            BlockRequest::Write { sector, data } => {
                (*sector, (data.len() as u64).div_ceil(SECTOR_SIZE))
            }
            BlockRequest::Discard { sector, count }
            | BlockRequest::WriteZeroes { sector, count, .. } => (*sector, *count),
            BlockRequest::Flush => (0, 0),
        };
        Self {
            disk,
            start,
            end: start.saturating_add(count),
            changes: request.changes(),
        }
    }

    /// Whether the order of the two can be told from what is read afterwards.
    fn conflicts(&self, other: &Self) -> bool {
        self.disk == other.disk
            && (self.changes || other.changes)
            && self.start.max(other.start) < self.end.min(other.end)
    }
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
struct Open {
    token: Token,
    reach: Reach,
    /// How many earlier ones it has to wait for.
    behind: usize,
    /// Whether the embedder has it.
    handed: bool,
}

/// The requests without an answer.
///
/// Each costs two looks at those that are open when it begins and when it ends, which the devices
/// bound: a queue's entries for each of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// In the order of their submission.
    open: Vec<Open>,
}

impl Order {
    /// Notes a new request. Returns whether the embedder is to have it now.
    pub fn begin(&mut self, token: Token, disk: usize, request: &BlockRequest) -> bool {
        let reach = Reach::of(disk, request);
        let earlier = self.open.iter();
        let behind = earlier
            .filter(|other| other.reach.conflicts(&reach))
            .count();
        self.open.push(Open {
            token,
            reach,
            behind,
            handed: behind == 0,
        });
        behind == 0
    }

    /// Whether the embedder has this request and has not answered it.
    pub fn is_handed(&self, token: Token) -> bool {
        let mut open = self.open.iter();
        open.any(|open| open.token == token && open.handed)
    }

    /// Forgets a request: it is answered, or nobody needs it any more.
    pub fn end(&mut self, token: Token) {
        let Some(at) = self.open.iter().position(|open| open.token == token) else {
            return;
        };
        let ended = self.open.remove(at);
        for later in self.open.iter_mut().skip(at) {
            if later.reach.conflicts(&ended.reach) {
                later.behind = later.behind.saturating_sub(1);
            }
        }
    }

    /// The first request that was held back and need not be any longer. The embedder gets it.
    pub fn next(&mut self) -> Option<Token> {
        let mut open = self.open.iter_mut();
        let free = open.find(|open| !open.handed && open.behind == 0)?;
        free.handed = true;
        Some(free.token)
    }
}
