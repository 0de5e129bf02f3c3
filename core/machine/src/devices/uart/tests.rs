use alloc::vec::Vec;

use super::super::bench::Bench;
use super::*;

const IRQ: u32 = 10;

struct Board {
    bench: Bench,
    uart: Uart,
}

impl Board {
    fn new() -> Self {
        Self {
            bench: Bench::new(),
            uart: Uart::new(IRQ),
        }
    }

    /// FIFOs on, trigger at one character.
    fn with_fifos() -> Self {
        let mut board = Self::new();
        board.write(IIR_FCR, FCR_ENABLE);
        board
    }

    fn read(&mut self, offset: u64) -> u8 {
        self.bench.read(&mut self.uart, offset, Width::B1) as u8
    }

    fn write(&mut self, offset: u64, value: u8) {
        self.bench
            .write(&mut self.uart, offset, Width::B1, u64::from(value));
    }

    fn type_in(&mut self, bytes: &[u8]) -> usize {
        self.uart.input(bytes, &mut self.bench.lines)
    }

    fn irq(&self) -> bool {
        self.bench.lines.is_high(IRQ)
    }

    fn cause(&mut self) -> u8 {
        self.read(IIR_FCR) & 0x0f
    }

    fn read_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.read(LSR) & LSR_READY != 0 {
            bytes.push(self.read(RBR_THR_DLL));
        }
        bytes
    }
}

#[test]
fn written_characters_reach_the_host_at_once() {
    let mut board = Board::new();
    for byte in *b"hi" {
        assert_eq!(board.read(LSR) & LSR_EMPTY, LSR_EMPTY);
        board.write(RBR_THR_DLL, byte);
    }
    let printed = [(ConsoleId::Uart, b'h'), (ConsoleId::Uart, b'i')];
    assert_eq!(board.bench.host.printed, printed);
}

#[test]
fn received_characters_come_in_order() {
    let mut board = Board::with_fifos();
    let text: Vec<u8> = (0..200).collect();
    assert_eq!(board.type_in(&text), 200);
    assert_eq!(board.read_all(), text);
    assert_eq!(board.read(RBR_THR_DLL), 0, "nothing left");
}

#[test]
fn received_characters_come_in_order_without_fifos() {
    let mut board = Board::new();
    board.type_in(b"abc");
    assert_eq!(board.read_all(), b"abc");
}

#[test]
fn input_beyond_the_limit_is_not_taken() {
    let mut board = Board::with_fifos();
    let flood = [b'x'; 2 * INPUT_LIMIT];
    assert_eq!(board.type_in(&flood), INPUT_LIMIT);
    assert_eq!(
        board.type_in(&flood),
        FIFO_DEPTH,
        "what moved to the buffer made room"
    );
    assert_eq!(board.type_in(&flood), 0);
    board.read(RBR_THR_DLL);
    assert_eq!(board.type_in(&flood), 1);
}

#[test]
fn interrupt_for_received_data_lasts_until_all_is_read() {
    let mut board = Board::with_fifos();
    board.write(IER_DLM, IER_RECEIVED);
    assert!(!board.irq());
    board.type_in(b"ab");
    assert!(board.irq());
    assert_eq!(board.cause(), IIR_RECEIVED);
    board.read(RBR_THR_DLL);
    assert!(board.irq());
    board.read(RBR_THR_DLL);
    assert!(!board.irq());
    assert_eq!(board.cause(), IIR_NONE);
}

#[test]
fn characters_below_the_trigger_level_time_out() {
    let mut board = Board::new();
    board.write(IIR_FCR, FCR_ENABLE | 2 << FCR_TRIGGER_SHIFT);
    board.write(IER_DLM, IER_RECEIVED);
    board.type_in(b"1234567");
    assert!(board.irq());
    assert_eq!(board.cause(), IIR_TIMEOUT);
    board.type_in(b"8");
    assert_eq!(board.cause(), IIR_RECEIVED);
}

#[test]
fn received_data_needs_its_enable_bit() {
    let mut board = Board::with_fifos();
    board.write(IER_DLM, IER_EMPTY | IER_LINE | IER_MODEM);
    assert_eq!(board.cause(), IIR_EMPTY);
    board.type_in(b"a");
    assert!(!board.irq());
}

#[test]
fn empty_transmitter_interrupts_when_enabled_and_after_each_character() {
    let mut board = Board::with_fifos();
    board.write(IER_DLM, IER_EMPTY);
    assert!(board.irq());
    assert_eq!(board.cause(), IIR_EMPTY);
    assert!(!board.irq(), "reading IIR resets the cause");
    assert_eq!(board.cause(), IIR_NONE);
    board.write(RBR_THR_DLL, b'a');
    assert_eq!(board.cause(), IIR_EMPTY);
    // As Linux's test of the interrupt does: enabling it again raises it again.
    board.write(IER_DLM, 0);
    assert!(!board.irq());
    board.write(IER_DLM, IER_EMPTY);
    assert_eq!(board.cause(), IIR_EMPTY);
}

#[test]
fn enabling_what_is_enabled_raises_nothing() {
    let mut board = Board::with_fifos();
    board.write(IER_DLM, IER_EMPTY);
    assert_eq!(board.cause(), IIR_EMPTY);
    board.write(IER_DLM, IER_EMPTY | IER_RECEIVED);
    assert!(!board.irq());
}

#[test]
fn reading_iir_keeps_a_cause_that_it_did_not_report() {
    let mut board = Board::with_fifos();
    board.write(IER_DLM, IER_EMPTY | IER_RECEIVED);
    board.type_in(b"a");
    assert_eq!(board.cause(), IIR_RECEIVED);
    board.read(RBR_THR_DLL);
    assert_eq!(board.cause(), IIR_EMPTY);
}

#[test]
fn iir_shows_the_fifos() {
    let mut board = Board::new();
    assert_eq!(board.read(IIR_FCR), IIR_NONE);
    board.write(IIR_FCR, FCR_ENABLE);
    assert_eq!(board.read(IIR_FCR), IIR_NONE | IIR_FIFOS);
    // No 64-byte FIFO, which Linux looks for with bit 5.
    board.write(IIR_FCR, FCR_ENABLE | 1 << 5);
    assert_eq!(board.read(IIR_FCR) & 0x20, 0);
}

#[test]
fn clearing_the_receiver_drops_what_it_holds() {
    let mut board = Board::with_fifos();
    board.type_in(b"abc");
    board.write(IIR_FCR, FCR_ENABLE | FCR_CLEAR_RECEIVER);
    assert_eq!(board.read_all(), b"");
}

#[test]
fn switching_the_fifos_empties_them() {
    for fcr in [0, FCR_ENABLE] {
        let mut board = Board::new();
        board.write(IIR_FCR, fcr ^ FCR_ENABLE);
        board.type_in(b"a");
        board.write(IIR_FCR, fcr ^ FCR_ENABLE);
        assert_ne!(board.read(LSR) & LSR_READY, 0, "nothing was switched");
        board.write(IIR_FCR, fcr);
        assert_eq!(board.read_all(), b"");
    }
}

#[test]
fn divisor_latch_hides_data_and_interrupt_enable() {
    let mut board = Board::with_fifos();
    board.type_in(b"a");
    board.write(IER_DLM, IER_RECEIVED);
    board.write(LCR, LCR_DLAB | 3);
    board.write(RBR_THR_DLL, 0x34);
    board.write(IER_DLM, 0x12);
    assert_eq!((board.read(RBR_THR_DLL), board.read(IER_DLM)), (0x34, 0x12));
    board.write(LCR, 3);
    assert_eq!(board.read(LCR), 3);
    assert_eq!(board.read(IER_DLM), IER_RECEIVED);
    assert_eq!(board.read(RBR_THR_DLL), b'a');
    assert!(board.bench.host.printed.is_empty());
}

#[test]
fn linux_finds_the_uart_by_its_loopback() {
    let mut board = Board::new();
    board.write(IER_DLM, 0);
    assert_eq!(board.read(IER_DLM), 0);
    board.write(IER_DLM, 0xff);
    assert_eq!(board.read(IER_DLM), IER_BITS);
    board.write(IER_DLM, 0);
    // LOOP, OUT2 and RTS come back as DCD and CTS.
    board.write(MCR, 0x1a);
    assert_eq!(board.read(MSR) & 0xf0, MSR_DCD | MSR_CTS);
    board.write(MCR, 0);
    assert_eq!(board.read(MSR) & 0xf0, MSR_CONNECTED);
}

#[test]
fn loopback_returns_what_is_sent_and_shuts_out_the_host() {
    let mut board = Board::with_fifos();
    board.write(MCR, MCR_LOOP);
    board.type_in(b"outside");
    board.write(RBR_THR_DLL, b'x');
    assert_eq!(board.read_all(), b"x");
    assert!(board.bench.host.printed.is_empty());
    board.write(MCR, 0);
    assert_eq!(board.read_all(), b"outside");
}

#[test]
fn loopback_overruns_a_full_buffer() {
    let mut board = Board::with_fifos();
    board.write(IER_DLM, IER_LINE);
    board.write(MCR, MCR_LOOP);
    for byte in 0..FIFO_DEPTH as u8 {
        board.write(RBR_THR_DLL, byte);
    }
    assert_eq!(board.read(LSR) & LSR_OVERRUN, 0);
    board.write(RBR_THR_DLL, 0xee);
    assert_eq!(board.cause(), IIR_LINE);
    assert_eq!(board.read(LSR) & LSR_OVERRUN, LSR_OVERRUN);
    assert_eq!(board.cause(), IIR_NONE, "reading LSR resets the cause");
    let kept: Vec<u8> = (0..FIFO_DEPTH as u8).collect();
    assert_eq!(board.read_all(), kept);
}

#[test]
fn overrun_without_fifos_keeps_the_newest() {
    let mut board = Board::new();
    board.write(MCR, MCR_LOOP);
    board.write(RBR_THR_DLL, 1);
    board.write(RBR_THR_DLL, 2);
    assert_eq!(
        board.read(LSR) & (LSR_OVERRUN | LSR_READY),
        LSR_OVERRUN | LSR_READY
    );
    assert_eq!(board.read_all(), [2]);
}

#[test]
fn modem_changes_interrupt_until_msr_is_read() {
    let mut board = Board::new();
    board.write(IER_DLM, IER_MODEM);
    assert!(!board.irq());
    board.write(MCR, MCR_LOOP);
    assert!(board.irq());
    assert_eq!(board.cause(), IIR_MODEM);
    assert_eq!(board.read(MSR) & 0x0f, 0b1011, "CTS, DSR and DCD fell");
    assert!(!board.irq());
    board.write(MCR, MCR_LOOP | 1 << 2);
    assert_eq!(
        board.read(MSR),
        MSR_RI,
        "a rising ring indicator is no event"
    );
    board.write(MCR, MCR_LOOP);
    assert_eq!(board.read(MSR), 0b0100);
}

#[test]
fn scratch_register_holds_its_value() {
    let mut board = Board::new();
    board.write(SCR, 0xa5);
    assert_eq!(board.read(SCR), 0xa5);
}

#[test]
fn status_registers_are_read_only_and_holes_are_empty() {
    let mut board = Board::new();
    let before = board.uart.clone();
    for offset in [LSR, MSR, 8, 0x7f, 0xff, u64::MAX] {
        board.write(offset, 0xff);
    }
    assert_eq!(board.uart, before);
    for offset in [8, 0x7f, 0xff, u64::MAX] {
        assert_eq!(board.read(offset), 0);
    }
}

#[test]
fn wide_access_means_the_byte_at_its_offset() {
    let mut board = Board::new();
    let Board { bench, uart } = &mut board;
    bench.write(uart, SCR, Width::B4, 0x1122_33a5);
    assert_eq!(bench.read(uart, SCR, Width::B4), 0xa5);
    bench.write(uart, RBR_THR_DLL, Width::B8, u64::from(b'!'));
    assert_eq!(bench.host.printed, [(ConsoleId::Uart, b'!')]);
}

#[test]
fn firmware_and_guest_read_one_stream() {
    let mut board = Board::with_fifos();
    board.type_in(b"abc");
    assert_eq!(board.uart.take_input(&mut board.bench.lines), Some(b'a'));
    assert_eq!(board.read_all(), b"bc");
    assert_eq!(board.uart.take_input(&mut board.bench.lines), None);
}
