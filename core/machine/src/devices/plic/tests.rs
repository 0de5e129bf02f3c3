use super::*;
use crate::devices::bench::Bench;

const CLAIM: u64 = 4;

fn context(number: u64) -> u64 {
    CONTEXT + number * CONTEXT_STRIDE
}

fn enable(number: u64, word: u64) -> u64 {
    ENABLE + number * ENABLE_STRIDE + word * 4
}

struct Board {
    bench: Bench,
    plic: Plic,
}

impl Board {
    fn new(harts: usize) -> Self {
        Self {
            bench: Bench::new(),
            plic: Plic::new(harts),
        }
    }

    fn read(&mut self, offset: u64) -> u64 {
        self.bench.read(&mut self.plic, offset, Width::B4)
    }

    fn write(&mut self, offset: u64, value: u64) {
        self.bench.write(&mut self.plic, offset, Width::B4, value);
    }

    fn wire(&mut self, source: u32, high: bool) {
        self.bench.lines.set(source, high);
        self.plic.sample(&self.bench.lines);
    }

    /// Priority 1 and enabled for hart 0's supervisor mode.
    fn listen(&mut self, source: u64) {
        self.write(source * 4, 1);
        let at = enable(1, source / 32);
        let old = self.read(at);
        self.write(at, old | 1 << (source % 32));
    }
}

#[test]
fn interrupt_reaches_only_the_context_that_enabled_it() {
    let mut board = Board::new(2);
    board.listen(10);
    assert_eq!(board.plic.external(0), (false, false));
    board.wire(10, true);
    assert_eq!(board.plic.external(0), (false, true));
    assert_eq!(board.plic.external(1), (false, false));
    board.write(enable(2, 0), 1 << 10);
    assert_eq!(board.plic.external(1), (true, false));
}

#[test]
fn claim_clears_pending_and_completion_reopens_the_gateway() {
    let mut board = Board::new(1);
    board.listen(33);
    board.wire(33, true);
    assert_eq!(board.read(PENDING + 4), 1 << 1);
    assert_eq!(board.read(context(1) + CLAIM), 33);
    assert_eq!(board.read(PENDING + 4), 0);
    assert_eq!(board.plic.external(0), (false, false));
    assert_eq!(board.read(context(1) + CLAIM), 0);
    board.wire(33, false);
    board.write(context(1) + CLAIM, 33);
    assert_eq!(board.plic.external(0), (false, false));
    board.wire(33, true);
    assert_eq!(board.plic.external(0), (false, true));
}

#[test]
fn wire_still_high_at_completion_is_pending_again() {
    let mut board = Board::new(1);
    board.listen(10);
    board.wire(10, true);
    assert_eq!(board.read(context(1) + CLAIM), 10);
    board.write(context(1) + CLAIM, 10);
    assert_eq!(board.plic.external(0), (false, true));
    assert_eq!(board.read(context(1) + CLAIM), 10);
}

#[test]
fn request_stays_when_its_wire_falls_before_the_claim() {
    let mut board = Board::new(1);
    board.listen(10);
    board.wire(10, true);
    board.wire(10, false);
    assert_eq!(board.read(context(1) + CLAIM), 10);
}

#[test]
fn higher_priority_wins_and_of_equals_the_lower_number() {
    let mut board = Board::new(1);
    for source in [3, 40, 70, 95] {
        board.listen(source);
        board.wire(source as u32, true);
    }
    board.write(70 * 4, 5);
    let order: [u64; 5] = core::array::from_fn(|_| board.read(context(1) + CLAIM));
    assert_eq!(order, [70, 3, 40, 95, 0]);
}

#[test]
fn threshold_masks_priorities_up_to_itself() {
    let mut board = Board::new(1);
    board.listen(5);
    board.write(5 * 4, 3);
    board.wire(5, true);
    board.write(context(1), 3);
    assert_eq!(board.plic.external(0), (false, false));
    assert_eq!(board.read(context(1) + CLAIM), 0);
    board.write(context(1), 2);
    assert_eq!(board.plic.external(0), (false, true));
    assert_eq!(board.read(context(1)), 2);
}

#[test]
fn priority_zero_never_interrupts() {
    let mut board = Board::new(1);
    board.listen(5);
    board.write(5 * 4, 0);
    board.wire(5, true);
    assert_eq!(board.plic.external(0), (false, false));
}

#[test]
fn priority_has_three_bits() {
    let mut board = Board::new(1);
    board.write(4, 0xffff_ffff);
    assert_eq!(board.read(4), 7);
    board.write(context(0), 0x8);
    assert_eq!(board.read(context(0)), 0);
}

#[test]
fn source_zero_does_not_exist() {
    let mut board = Board::new(1);
    board.write(0, 7);
    assert_eq!(board.read(0), 0);
    board.write(enable(0, 0), 0xffff_ffff);
    assert_eq!(board.read(enable(0, 0)), 0xffff_fffe);
}

#[test]
fn pending_is_read_only() {
    let mut board = Board::new(1);
    board.write(PENDING, 0xffff_ffff);
    assert_eq!(board.read(PENDING), 0);
}

#[test]
fn completion_of_what_is_not_claimed_changes_nothing() {
    let mut board = Board::new(1);
    board.listen(10);
    let before = board.plic.clone();
    for id in [0, 10, 95, 96, 1 << 31, u64::from(u32::MAX)] {
        board.write(context(1) + CLAIM, id);
        assert_eq!(board.plic, before, "{id}");
    }
}

#[test]
fn registers_of_absent_harts_and_sources_read_zero_and_ignore_writes() {
    let mut board = Board::new(1);
    let before = board.plic.clone();
    let mut offset = 0;
    while offset < 0x60_0000 {
        let exists = (4..4 * SOURCES as u64).contains(&offset)
            || (ENABLE..enable(1, WORDS as u64)).contains(&offset)
            || (offset >= CONTEXT && offset < context(2));
        if !exists {
            board.write(offset, 0xffff_ffff);
            assert_eq!(board.read(offset), 0, "{offset:#x}");
        }
        offset += if offset < 0x3000 { 4 } else { 0x1ffc };
    }
    assert_eq!(board.plic, before);
}
