use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::host::{BlockError, ConsoleId, SECTOR_SIZE};
use crate::testing::Draw;

const SLOT: usize = 1;
/// Sectors of each of two disks.
const SECTORS: u64 = 8;

/// Two disks that do something when they are told to; each sector is one number.
#[derive(Default)]
struct Disks {
    sectors: [[u8; SECTORS as usize]; 2],
    /// What was asked for and is not done.
    open: Vec<(Token, usize, BlockRequest)>,
    abandoned: Vec<Token>,
    /// Everything is done when it is asked for.
    prompt: bool,
}

impl Disks {
    fn perform(&mut self, disk: usize, request: &BlockRequest) -> BlockResult {
        let disk = &mut self.sectors[disk];
        let mut fill = |sector: u64, count: u64, byte| {
            disk[sector as usize..(sector + count) as usize].fill(byte);
        };
        match request {
            BlockRequest::Read { sector, len } => {
                let count = len / SECTOR_SIZE;
                let read = &disk[*sector as usize..(sector + count) as usize];
                return Ok(read.to_vec());
            }
            BlockRequest::Write { sector, data } => {
                fill(*sector, data.len() as u64 / SECTOR_SIZE, data[0]);
            }
            BlockRequest::Discard { sector, count } => fill(*sector, *count, 0xdd),
            BlockRequest::WriteZeroes { sector, count, .. } => fill(*sector, *count, 0),
            BlockRequest::Flush => {}
        }
        Ok(Vec::new())
    }

    /// Does the n-th of what is open.
    fn finish(&mut self, nth: usize, pending: &mut Pending) {
        let (token, disk, request) = self.open.remove(nth);
        let result = self.perform(disk, &request);
        pending.complete(token, result);
    }
}

impl Host for Disks {
    fn block(&mut self, disk: usize, token: Token, request: &BlockRequest) -> Submitted {
        if self.prompt {
            return Submitted::Done(self.perform(disk, request));
        }
        self.open.push((token, disk, request.clone()));
        Submitted::Pending
    }

    fn abandon(&mut self, token: Token) {
        self.abandoned.push(token);
        self.open.retain(|(open, ..)| *open != token);
    }

    fn console(&mut self, _: ConsoleId, _: &[u8]) {}
}

fn read(sector: u64, count: u64) -> BlockRequest {
    let len = count * SECTOR_SIZE;
    BlockRequest::Read { sector, len }
}

fn write(sector: u64, count: u64, byte: u8) -> BlockRequest {
    let data = vec![byte; (count * SECTOR_SIZE) as usize];
    BlockRequest::Write { sector, data }
}

/// A queue, and disks that take their time.
#[derive(Default)]
struct Rig {
    pending: Pending,
    disks: Disks,
    tag: u32,
}

impl Rig {
    fn new() -> Self {
        let pending = Pending::new(Latency::default());
        Self {
            pending,
            ..Self::default()
        }
    }

    fn submit(&mut self, disk: usize, request: BlockRequest) {
        let name = (SLOT, self.tag);
        self.tag += 1;
        let host = &mut self.disks;
        self.pending.submit(host, Ticks(0), name, disk, request);
    }

    fn finish(&mut self, nth: usize) {
        self.disks.finish(nth, &mut self.pending);
        self.pending.pass_on(&mut self.disks);
    }

    /// What the disks were asked for and have not done.
    fn open(&self) -> Vec<BlockRequest> {
        let open = self.disks.open.iter();
        open.map(|(.., request)| request.clone()).collect()
    }

    fn result(&mut self) -> Option<BlockResult> {
        let done = self.pending.pop(Ticks(u64::MAX)).ok()?;
        Some(done?.result)
    }
}

// A host that takes its time must not be asked for it again and again.
#[test]
fn by_the_hosts_clock_nobody_wakes_for_a_request_that_is_not_answered() {
    let mut rig = Rig::new();
    rig.submit(0, read(0, 1));
    rig.submit(0, read(1, 2));
    let due = rig.pending.deadline().unwrap();
    assert_eq!(
        rig.pending.deadline_ready(Ticks(0)),
        Some(due),
        "not yet due"
    );
    let late = Ticks(u64::MAX);
    assert_eq!(rig.pending.deadline_ready(late), None, "due, not answered");
    rig.finish(1);
    assert!(
        rig.pending.deadline_ready(late) > Some(due),
        "the second is"
    );
    assert_eq!(rig.pending.pop_ready(late).unwrap().tag, 1);
    assert_eq!(rig.pending.deadline_ready(late), None);
}

#[test]
fn read_waits_for_the_write_before_it_and_the_write_for_the_read() {
    let mut rig = Rig::new();
    rig.submit(0, write(2, 3, 1));
    rig.submit(0, read(4, 2));
    rig.submit(0, write(5, 1, 2));
    assert_eq!(rig.open(), [write(2, 3, 1)]);
    rig.finish(0);
    assert_eq!(rig.open(), [read(4, 2)]);
    rig.finish(0);
    assert_eq!(rig.open(), [write(5, 1, 2)]);
    rig.finish(0);
    // The guest sees them done in another order: the shorter ones first.
    for expected in [vec![], vec![1, 0], vec![]] {
        assert_eq!(rig.result(), Some(Ok(expected)));
    }
    assert_eq!(rig.result(), None);
}

#[test]
fn what_has_no_sector_in_common_or_changes_none_is_under_way_together() {
    let mut rig = Rig::new();
    let requests = [
        (0, write(0, 2, 1)),
        (0, write(2, 1, 2)),
        (1, write(0, 2, 3)),
        (0, BlockRequest::Flush),
        (0, read(4, 2)),
        (0, read(5, 3)),
        (
            0,
            BlockRequest::Discard {
                sector: 3,
                count: 1,
            },
        ),
        (
            0,
            BlockRequest::Discard {
                sector: 5,
                count: 0,
            },
        ),
    ];
    for (disk, request) in &requests {
        rig.submit(*disk, request.clone());
    }
    assert_eq!(rig.open(), requests.map(|(_, request)| request));
}

#[test]
fn request_that_is_held_back_is_not_answered_by_a_guess() {
    let mut rig = Rig::new();
    rig.submit(0, write(0, 1, 1));
    rig.submit(0, read(0, 1));
    rig.pending.complete(Token(1), Ok(vec![7]));
    rig.pending.pass_on(&mut rig.disks);
    assert_eq!(rig.open(), [write(0, 1, 1)]);
    rig.finish(0);
    rig.finish(0);
    assert_eq!(rig.result(), Some(Ok(vec![])));
    assert_eq!(rig.result(), Some(Ok(vec![1])));
}

#[test]
fn error_lets_the_next_one_go() {
    let mut rig = Rig::new();
    rig.submit(0, write(0, 1, 1));
    rig.submit(0, read(0, 1));
    assert_eq!(rig.open(), [write(0, 1, 1)]);
    let (token, ..) = rig.disks.open.remove(0);
    rig.pending.complete(token, Err(BlockError::Io));
    rig.pending.pass_on(&mut rig.disks);
    assert_eq!(rig.open(), [read(0, 1)]);
}

#[test]
fn cancelled_changes_are_done_in_their_order_and_reads_are_not() {
    let mut rig = Rig::new();
    rig.submit(0, write(0, 2, 1));
    rig.submit(0, read(0, 1));
    rig.submit(0, write(0, 1, 2));
    rig.submit(0, read(6, 1));
    rig.pending.cancel_slot(&mut rig.disks, SLOT);
    assert_eq!(rig.disks.abandoned, [Token(3)], "the host has no other");
    assert!(rig.pending.is_draining());
    rig.submit(0, read(0, 2));
    assert_eq!(rig.open(), [write(0, 2, 1)]);
    rig.finish(0);
    assert_eq!(rig.open(), [write(0, 1, 2)], "the one read is gone");
    assert!(rig.pending.is_draining());
    rig.finish(0);
    assert!(!rig.pending.is_draining());
    rig.finish(0);
    assert_eq!(rig.result(), Some(Ok(vec![2, 1])));
    assert_eq!(rig.result(), None, "nobody hears of the cancelled");
}

#[test]
fn cancelled_read_holds_nobody_back() {
    let mut rig = Rig::new();
    rig.submit(0, read(0, 8));
    rig.submit(0, write(0, 1, 1));
    assert_eq!(rig.open(), [read(0, 8)]);
    rig.pending.cancel_tag(&mut rig.disks, SLOT, 0);
    assert_eq!(rig.open(), [write(0, 1, 1)]);
}

#[test]
fn power_cycle_leaves_no_change_behind() {
    let mut rig = Rig::new();
    rig.submit(0, write(0, 1, 1));
    rig.submit(0, write(0, 1, 2));
    rig.pending.cancel_slot(&mut rig.disks, SLOT);
    let mut earlier = core::mem::replace(&mut rig.pending, Pending::new(Latency::default()));
    rig.pending.follow(&mut earlier);
    assert!(rig.pending.is_draining());
    rig.submit(0, read(0, 1));
    for expected in [write(0, 1, 1), write(0, 1, 2), read(0, 1)] {
        assert_eq!(rig.open(), [expected]);
        rig.finish(0);
    }
    assert_eq!(rig.result(), Some(Ok(vec![2])));
}

fn drawn(draw: &mut Draw) -> BlockRequest {
    let sector = draw.below(SECTORS);
    let count = 1 + draw.below(SECTORS - sector);
    match draw.below(8) {
        0..3 => read(sector, count),
        3..6 => write(sector, count, 1 + draw.below(200) as u8),
        6 => BlockRequest::Discard { sector, count },
        _ => BlockRequest::WriteZeroes {
            sector,
            count,
            unmap: false,
        },
    }
}

#[test]
fn disks_that_do_things_in_any_order_give_what_prompt_ones_give() {
    for seed in 1..200 {
        let mut draw = Draw(seed);
        let (mut prompt, mut late) = (Rig::new(), Rig::new());
        prompt.disks.prompt = true;
        for _ in 0..100 {
            match draw.below(20) {
                0..8 => {
                    let (disk, request) = (draw.below(2) as usize, drawn(&mut draw));
                    prompt.submit(disk, request.clone());
                    late.submit(disk, request);
                }
                8 => {
                    // In flight or answered, each is in both queues.
                    let tag = u64::from(prompt.tag).saturating_sub(1 + draw.below(4)) as u32;
                    prompt.pending.cancel_tag(&mut prompt.disks, SLOT, tag);
                    late.pending.cancel_tag(&mut late.disks, SLOT, tag);
                }
                9..12 => {
                    // The machine is patient: what is due is waited for.
                    let expected = prompt.result();
                    while expected.is_some() && late.pending.requests()[0].result.is_none() {
                        let nth = draw.below(late.disks.open.len() as u64);
                        late.finish(nth as usize);
                    }
                    assert_eq!(late.result(), expected, "seed {seed}");
                }
                _ if late.disks.open.is_empty() => {}
                _ => {
                    let nth = draw.below(late.disks.open.len() as u64);
                    late.finish(nth as usize);
                }
            }
            let requests = |rig: &Rig| -> Vec<u32> {
                let requests = rig.pending.requests().iter();
                requests.map(|request| request.tag).collect()
            };
            assert_eq!(requests(&late), requests(&prompt), "seed {seed}");
        }
        while !late.disks.open.is_empty() {
            let nth = draw.below(late.disks.open.len() as u64);
            late.finish(nth as usize);
        }
        assert!(!late.pending.is_draining());
        assert_eq!(late.disks.sectors, prompt.disks.sectors, "seed {seed}");
        while let Some(expected) = prompt.result() {
            assert_eq!(late.result(), Some(expected), "seed {seed}");
        }
    }
}
