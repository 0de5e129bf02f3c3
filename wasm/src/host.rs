//! What stands behind the machine's devices in a worker.

use std::collections::VecDeque;

use virtarium_machine::host::{
    BlockError, BlockRequest, BlockResult, ConsoleId, Host, Submitted, Token,
};

use crate::disk::Disk;
use crate::export::Export;
use crate::store::Batch;

/// Bytes that a console prints before the worker gets its turn to take them. A guest may exceed it
/// by what one notification of a virtio console brings.
const OUTPUT_LIMIT: usize = 1 << 18;

/// The disks and what was printed.
#[derive(Default)]
pub(crate) struct WebHost {
    pub(crate) disks: Vec<Plugged>,
    /// Printed and not yet taken: the UART's, then each virtio console's.
    outputs: Vec<Vec<u8>>,
}

/// A disk in the machine.
pub(crate) struct Plugged {
    pub(crate) disk: Disk,
    /// Flushes that are done when the next batch is in the database.
    flushes: Vec<Token>,
    /// The batch on its way to the database: its blocks, and the flushes that wait for it.
    batch: Option<(Vec<u32>, Vec<Token>)>,
    /// Requests for which there was no room. The worker may make some.
    short: Vec<(Token, BlockRequest)>,
    /// Requests that are answered: flushes by the database, others by a second try.
    answered: VecDeque<(Token, BlockResult)>,
    pub(crate) traffic: Traffic,
    pub(crate) export: Export,
}

/// What a guest has asked of a disk so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) reads: u64,
    pub(crate) bytes_read: u64,
    /// Whatever changes the disk.
    pub(crate) writes: u64,
    pub(crate) bytes_written: u64,
}

impl Traffic {
    fn count(&mut self, request: &BlockRequest) {
        match request {
            BlockRequest::Read { len, .. } => {
                self.reads += 1;
                self.bytes_read += len;
            }
            BlockRequest::Write { data, .. } => {
                self.writes += 1;
                self.bytes_written += data.len() as u64;
            }
            BlockRequest::Discard { .. } | BlockRequest::WriteZeroes { .. } => self.writes += 1,
            BlockRequest::Flush => {}
        }
    }
}

impl Plugged {
    pub(crate) fn new(disk: Disk) -> Self {
        Self {
            disk,
            flushes: Vec::new(),
            batch: None,
            short: Vec::new(),
            answered: VecDeque::new(),
            traffic: Traffic::default(),
            export: Export::default(),
        }
    }

    fn submit(&mut self, token: Token, request: &BlockRequest) -> Submitted {
        self.traffic.count(request);
        let submitted = self.attempt(token, request);
        if submitted == Submitted::Done(Err(BlockError::NoSpace)) {
            self.short.push((token, request.clone()));
            return Submitted::Pending;
        }
        submitted
    }

    fn attempt(&mut self, token: Token, request: &BlockRequest) -> Submitted {
        let submitted = self.disk.0.submit(token, request);
        let flushed =
            matches!(request, BlockRequest::Flush) && matches!(submitted, Submitted::Done(Ok(_)));
        if flushed && self.disk.place().logged().is_some() {
            self.flushes.push(token);
            return Submitted::Pending;
        }
        submitted
    }

    /// Whether requests wait for room.
    pub(crate) fn is_short(&self) -> bool {
        !self.short.is_empty()
    }

    /// There is all the room that can be had: what waits for it is tried once more.
    pub(crate) fn retry(&mut self) {
        for (token, request) in std::mem::take(&mut self.short) {
            if let Submitted::Done(result) = self.attempt(token, &request) {
                self.answered.push_back((token, result));
            }
        }
    }

    /// Nobody waits for this request any more.
    fn abandon(&mut self, token: Token) {
        self.disk.0.abandon(token);
        self.short.retain(|(short, _)| *short != token);
    }

    /// What has to go to the database now: nothing while a batch is on its way, or while no
    /// flush asks for one and it is not wanted anyway.
    pub(crate) fn take_batch(&mut self, anyway: bool) -> Option<Batch> {
        if self.batch.is_some() || (self.flushes.is_empty() && !anyway) {
            return None;
        }
        let flushes = std::mem::take(&mut self.flushes);
        match self.disk.place().logged()?.take_batch() {
            Some(batch) => {
                let numbers = batch.blocks.iter().map(|(number, _)| *number).collect();
                self.batch = Some((numbers, flushes));
                Some(batch)
            }
            None => {
                let done = flushes.into_iter().map(|token| (token, Ok(Vec::new())));
                self.answered.extend(done);
                None
            }
        }
    }

    /// The database has taken the batch, or has not.
    pub(crate) fn batch_done(&mut self, result: BlockResult) {
        let Some((numbers, flushes)) = self.batch.take() else {
            return;
        };
        if result.is_err()
            && let Some(mut blocks) = self.disk.place().logged()
        {
            blocks.put_back(numbers);
        }
        let answers = flushes.into_iter().map(|token| (token, result.clone()));
        self.answered.extend(answers);
    }

    /// Answers for the machine.
    pub(crate) fn take_answers(&mut self) -> Vec<(Token, BlockResult)> {
        let mut answers = self.disk.0.take_completed();
        answers.extend(self.answered.drain(..));
        answers
    }
}

impl WebHost {
    pub(crate) fn new(disks: Vec<Disk>, consoles: usize) -> Self {
        Self {
            disks: disks.into_iter().map(Plugged::new).collect(),
            outputs: vec![Vec::new(); consoles + 1],
        }
    }

    fn output(&mut self, console: ConsoleId) -> Option<&mut Vec<u8>> {
        let place = match console {
            ConsoleId::Uart => 0,
            ConsoleId::Virtio(number) => number + 1,
        };
        self.outputs.get_mut(place)
    }

    /// What a console printed since the last call.
    pub(crate) fn take_output(&mut self, console: ConsoleId) -> Vec<u8> {
        self.output(console).map(std::mem::take).unwrap_or_default()
    }
}

impl Host for WebHost {
    fn block(&mut self, disk: usize, token: Token, request: &BlockRequest) -> Submitted {
        match self.disks.get_mut(disk) {
            Some(plugged) => plugged.submit(token, request),
            None => Submitted::Done(Err(BlockError::Io)),
        }
    }

    fn abandon(&mut self, token: Token) {
        for plugged in &mut self.disks {
            plugged.abandon(token);
        }
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        if let Some(output) = self.output(console) {
            output.extend_from_slice(bytes);
        }
    }

    fn is_full(&self) -> bool {
        self.outputs
            .iter()
            .any(|output| output.len() >= OUTPUT_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Base;
    use crate::store::Storage;

    /// A disk of 1 MiB in memory.
    fn disk(logged: bool) -> Plugged {
        let base = Base::zeros(f64::from(1 << 20)).ok().unwrap();
        let disk = Disk::open(Storage::memory(logged), base, 0).ok().unwrap();
        Plugged::new(disk)
    }

    fn write(byte: u8) -> BlockRequest {
        let data = vec![byte; 512];
        BlockRequest::Write { sector: 3, data }
    }

    const DONE: Submitted = Submitted::Done(Ok(Vec::new()));

    #[test]
    fn flush_is_answered_when_its_batch_is_in_the_database() {
        let mut disk = disk(true);
        assert_eq!(disk.submit(Token(1), &write(7)), DONE);
        assert!(disk.take_batch(false).is_none(), "nobody asks for it");
        assert_eq!(
            disk.submit(Token(2), &BlockRequest::Flush),
            Submitted::Pending
        );
        assert!(disk.take_batch(false).is_some_and(|batch| batch.len > 0));
        assert_eq!(disk.take_answers(), []);
        // A second one meanwhile waits for a batch of its own.
        assert_eq!(disk.submit(Token(3), &write(8)), DONE);
        assert_eq!(
            disk.submit(Token(4), &BlockRequest::Flush),
            Submitted::Pending
        );
        assert!(disk.take_batch(false).is_none(), "one at a time");
        disk.batch_done(Ok(Vec::new()));
        assert_eq!(disk.take_answers(), [(Token(2), Ok(Vec::new()))]);
        assert!(disk.take_batch(false).is_some());
        disk.batch_done(Ok(Vec::new()));
        assert_eq!(disk.take_answers(), [(Token(4), Ok(Vec::new()))]);
        // What is in the database already needs no batch.
        assert_eq!(
            disk.submit(Token(5), &BlockRequest::Flush),
            Submitted::Pending
        );
        assert!(disk.take_batch(false).is_none());
        assert_eq!(disk.take_answers(), [(Token(5), Ok(Vec::new()))]);
    }

    #[test]
    fn batch_that_the_database_refuses_fails_its_flushes_and_is_in_the_next_one() {
        let mut disk = disk(true);
        disk.submit(Token(1), &write(7));
        disk.submit(Token(2), &BlockRequest::Flush);
        let first = disk.take_batch(false).unwrap();
        disk.batch_done(Err(BlockError::NoSpace));
        assert_eq!(disk.take_answers(), [(Token(2), Err(BlockError::NoSpace))]);
        disk.submit(Token(3), &BlockRequest::Flush);
        let second = disk.take_batch(false).unwrap();
        assert!(first.len == second.len && first.blocks == second.blocks);
    }

    #[test]
    fn what_finds_no_room_is_tried_once_more() {
        let mut disk = disk(true);
        let blocks = |disk: &mut Plugged, most| disk.disk.place().logged().unwrap().limit(most);
        blocks(&mut disk, 0);
        assert_eq!(disk.submit(Token(1), &write(7)), Submitted::Pending);
        assert_eq!(disk.submit(Token(2), &write(8)), Submitted::Pending);
        assert!(disk.is_short() && disk.take_answers().is_empty());
        disk.abandon(Token(1));
        disk.retry();
        assert!(!disk.is_short());
        assert_eq!(disk.take_answers(), [(Token(2), Err(BlockError::NoSpace))]);
        // Room is made meanwhile.
        assert_eq!(disk.submit(Token(3), &write(9)), Submitted::Pending);
        blocks(&mut disk, u64::MAX);
        disk.retry();
        assert_eq!(disk.take_answers(), [(Token(3), Ok(Vec::new()))]);
        assert!(!disk.is_short());
    }

    #[test]
    fn flush_of_what_is_not_logged_is_done_at_once() {
        assert_eq!(disk(false).submit(Token(1), &BlockRequest::Flush), DONE);
    }
}
