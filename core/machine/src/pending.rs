//! Requests under way: one queue of completions, in the order in which the guest will see them.
//!
//! With the deterministic clock a completion becomes visible a modelled latency after its
//! submission, whatever the host took; with the host's clock, as soon as the host has it.
//!
//! What a request does, it does in the order of submission wherever the order can be told
//! ([`order`]), and once submitted it is done whatever becomes of its device: else the content of
//! a disk would depend on the host.

mod order;

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::host::{BlockRequest, BlockResult, Host, Submitted, Token};
use crate::time::Ticks;
use order::Order;

/// How long a request takes in guest time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Latency {
    /// Ticks for any request.
    pub base: Ticks,
    /// Bytes moved in one tick; not zero.
    pub bytes_per_tick: u64,
}

impl Default for Latency {
    /// 20 microseconds and 1 GB/s, a fast disk.
    fn default() -> Self {
        Self {
            base: Ticks(200),
            bytes_per_tick: 100,
        }
    }
}

/// A request under way.
#[derive(Clone, Debug)]
pub struct Request {
    /// Under which name the embedder knows it.
    pub token: Token,
    /// The virtio-mmio slot whose device asked.
    pub slot: usize,
    /// The device's own name for it, unique among its requests under way.
    pub tag: u32,
    /// The disk it went to.
    pub disk: usize,
    /// What to do; enough to submit it again.
    pub request: BlockRequest,
    /// When the guest sees the completion at the earliest.
    pub due: Ticks,
    /// The result, once the host has it.
    pub result: Option<BlockResult>,
}

/// A completion whose time has come.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The virtio-mmio slot whose device asked.
    pub slot: usize,
    /// The device's own name for the request.
    pub tag: u32,
    /// What became of it.
    pub result: BlockResult,
}

// What the guest could notice: tokens and results, which depend on the host, are not.
impl Hash for Request {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.slot, self.tag, self.disk, &self.request, self.due).hash(state);
    }
}

impl Hash for Pending {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.requests.hash(state);
    }
}

/// The requests under way, in the order of (due time, submission).
///
/// Bounded by the devices: each has at most as many requests as its queue has entries, and a
/// limit on the bytes that they hold.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    latency: Latency,
    next: u64,
    requests: Vec<Request>,
    order: Order,
    /// Changes of disks that nobody waits for: their devices were reset.
    cancelled: Vec<Request>,
}

impl Pending {
    /// An empty queue with a latency model.
    pub fn new(latency: Latency) -> Self {
        Self {
            latency,
            next: 0,
            ..Self::default()
        }
    }

    /// Takes over from the queue of an earlier power cycle, of which every slot was cancelled: the
    /// count of tokens, so that none names two requests, and what the disks still have to do.
    pub fn follow(&mut self, earlier: &mut Self) {
        debug_assert!(earlier.requests.is_empty());
        let latency = self.latency;
        *self = core::mem::take(earlier);
        self.latency = latency;
    }

    /// Hands a request to the embedder.
    pub fn submit(
        &mut self,
        host: &mut dyn Host,
        now: Ticks,
        (slot, tag): (usize, u32),
        disk: usize,
        request: BlockRequest,
    ) {
        let bytes = match &request {
            BlockRequest::Read { len, .. } => *len,
            BlockRequest::Write { data, .. } => data.len() as u64,
            _ => 0,
        };
        let moving = Ticks(bytes.div_ceil(self.latency.bytes_per_tick.max(1)));
        let due = now.after(self.latency.base).after(moving);
        let token = Token(self.next);
        self.next += 1;
        let mut result = None;
        if self.order.begin(token, disk, &request)
            && let Submitted::Done(done) = host.block(disk, token, &request)
        {
            self.order.end(token);
            result = Some(done);
        }
        // Stable: behind everything that is due no later, which was submitted earlier.
        let at = self.requests.partition_point(|other| other.due <= due);
        self.requests.insert(
            at,
            Request {
                token,
                slot,
                tag,
                disk,
                request,
                due,
                result,
            },
        );
    }

    /// Hands over what was held back and need not be any longer. To be called after results have
    /// come, before the guest goes on.
    pub fn pass_on(&mut self, host: &mut dyn Host) {
        while let Some(token) = self.order.next() {
            let mut all = self.requests.iter().chain(&self.cancelled);
            let Some(request) = all.find(|request| request.token == token) else {
                continue;
            };
            if let Submitted::Done(result) = host.block(request.disk, token, &request.request) {
                self.complete(token, result);
            }
        }
    }

    /// Takes back every request of a slot whose device was reset.
    pub fn cancel_slot(&mut self, host: &mut dyn Host, slot: usize) {
        self.cancel(host, |request| request.slot == slot);
    }

    /// Takes back one request.
    pub fn cancel_tag(&mut self, host: &mut dyn Host, slot: usize, tag: u32) {
        self.cancel(host, |request| request.slot == slot && request.tag == tag);
    }

    /// The guest sees no result of these requests. What changes a disk is done all the same.
    fn cancel(&mut self, host: &mut dyn Host, hit: impl Fn(&Request) -> bool) {
        for request in self.requests.extract_if(.., |request| hit(request)) {
            if request.result.is_some() {
                continue;
            }
            if request.request.changes() {
                self.cancelled.push(request);
                continue;
            }
            if self.order.is_handed(request.token) {
                host.abandon(request.token);
            }
            self.order.end(request.token);
        }
        self.pass_on(host);
    }

    /// Whether disks have yet to do what was cancelled. The guest has to wait for that, or it could
    /// pile up as many changes as it likes.
    pub fn is_draining(&self) -> bool {
        !self.cancelled.is_empty()
    }

    /// Notes the embedder's result. A token that is not under way is ignored: its device was
    /// reset meanwhile.
    pub fn complete(&mut self, token: Token, result: BlockResult) {
        if !self.order.is_handed(token) {
            return;
        }
        self.order.end(token);
        let mut waiting = self.requests.iter_mut();
        match waiting.find(|request| request.token == token) {
            Some(request) => request.result = Some(result),
            None => self.cancelled.retain(|request| request.token != token),
        }
    }

    /// When the first request is due.
    pub fn deadline(&self) -> Option<Ticks> {
        self.requests.first().map(|request| request.due)
    }

    /// The same for a guest that goes by the host's clock: what is due and not answered is nothing to
    /// wake up for, its answer is.
    pub fn deadline_ready(&self, now: Ticks) -> Option<Ticks> {
        let mut requests = self.requests.iter();
        let next = requests.find(|request| request.due > now || request.result.is_some());
        next.map(|request| request.due)
    }

    /// The next completion to show the guest at `now`: `Ok(None)` when none is due, `Err` when
    /// one is due that the host has not answered yet.
    pub fn pop(&mut self, now: Ticks) -> Result<Option<Completion>, Waiting> {
        match self.requests.first() {
            Some(request) if request.due <= now => {
                if request.result.is_none() {
                    return Err(Waiting);
                }
                let request = self.requests.remove(0);
                Ok(request.result.map(|result| Completion {
                    slot: request.slot,
                    tag: request.tag,
                    result,
                }))
            }
            _ => Ok(None),
        }
    }

    /// The same for a guest that goes by the host's clock: the first that is due and answered,
    /// whatever else is still open.
    pub fn pop_ready(&mut self, now: Ticks) -> Option<Completion> {
        let at = self
            .requests
            .iter()
            .position(|request| request.due <= now && request.result.is_some())?;
        let request = self.requests.remove(at);
        request.result.map(|result| Completion {
            slot: request.slot,
            tag: request.tag,
            result,
        })
    }

    /// Every request under way, first due first.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }
}

/// The guest cannot go on before the host has answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting;

#[cfg(test)]
mod tests;
