//! The ns16550a UART: the console of a guest that has no virtio driver yet.
//!
//! Source: National Semiconductor PC16550D data sheet, section 8 (registers); names are its.
//! Registers are one byte each, offsets 0 to 7; a wider access means the byte at its offset.
//!
//! Simplified where no driver can tell: characters take no time on the wire, so the transmitter
//! is always empty; and received characters below the trigger level count as timed out at once,
//! so none is ever left without an interrupt. The receive buffer refills from what the embedder
//! has handed in as soon as there is room, so input never overruns.

use alloc::collections::VecDeque;

use crate::bus::{Ctx, Device};
use crate::host::ConsoleId;
use crate::irq::Lines;
use crate::mem::Width;

/// Frequency of the UART's clock in hertz, as the device tree's `clock-frequency` says.
pub const CLOCK_FREQUENCY: u32 = 3_686_400;
/// Characters that wait for room in the receive buffer, at most.
pub const INPUT_LIMIT: usize = 4096;

/// Characters in a buffer while the FIFOs are on; one while they are off.
const FIFO_DEPTH: usize = 16;

/// `RBR` and `THR`, or `DLL` while `LCR.DLAB` is set.
const RBR_THR_DLL: u64 = 0;
/// `IER`, or `DLM` while `LCR.DLAB` is set.
const IER_DLM: u64 = 1;
const IIR_FCR: u64 = 2;
const LCR: u64 = 3;
const MCR: u64 = 4;
const LSR: u64 = 5;
const MSR: u64 = 6;
const SCR: u64 = 7;

const IER_RECEIVED: u8 = 1;
const IER_EMPTY: u8 = 1 << 1;
const IER_LINE: u8 = 1 << 2;
const IER_MODEM: u8 = 1 << 3;
const IER_BITS: u8 = 0x0f;

const IIR_NONE: u8 = 0x1;
const IIR_MODEM: u8 = 0x0;
const IIR_EMPTY: u8 = 0x2;
const IIR_RECEIVED: u8 = 0x4;
const IIR_LINE: u8 = 0x6;
const IIR_TIMEOUT: u8 = 0xc;
const IIR_FIFOS: u8 = 0xc0;

const FCR_ENABLE: u8 = 1;
const FCR_CLEAR_RECEIVER: u8 = 1 << 1;
const FCR_TRIGGER_SHIFT: u8 = 6;
/// Characters at which the received-data interrupt comes, by `FCR[7:6]`.
const TRIGGER: [usize; 4] = [1, 4, 8, 14];

const LCR_DLAB: u8 = 1 << 7;

const MCR_LOOP: u8 = 1 << 4;
const MCR_BITS: u8 = 0x1f;

const LSR_READY: u8 = 1;
const LSR_OVERRUN: u8 = 1 << 1;
const LSR_EMPTY: u8 = 1 << 5 | 1 << 6;

const MSR_CTS: u8 = 1 << 4;
const MSR_DSR: u8 = 1 << 5;
const MSR_RI: u8 = 1 << 6;
const MSR_DCD: u8 = 1 << 7;
/// A terminal that is there and ready.
const MSR_CONNECTED: u8 = MSR_CTS | MSR_DSR | MSR_DCD;

/// The UART.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Uart {
    irq: u32,
    divisor: u16,
    ier: u8,
    fifos: bool,
    trigger: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    overrun: bool,
    /// The transmitter ran empty since this was last reported.
    ran_empty: bool,
    /// Modem inputs that changed since `MSR` was last read: its low four bits.
    modem_delta: u8,
    received: VecDeque<u8>,
    input: VecDeque<u8>,
}

impl Uart {
    /// A UART after reset, on the wire `irq`.
    pub fn new(irq: u32) -> Self {
        Self {
            irq,
            divisor: 0x0c,
            ier: 0,
            fifos: false,
            trigger: 0,
            lcr: 0,
            mcr: 0,
            scr: 0,
            overrun: false,
            ran_empty: false,
            modem_delta: 0,
            received: VecDeque::new(),
            input: VecDeque::new(),
        }
    }

    /// Characters for the guest. Returns how many were taken; the rest does not fit
    /// ([`INPUT_LIMIT`]) and may be offered again later.
    pub fn input(&mut self, bytes: &[u8], lines: &mut Lines) -> usize {
        let room = INPUT_LIMIT.saturating_sub(self.input.len());
        let taken = bytes.len().min(room);
        self.input.extend(bytes.iter().take(taken));
        self.refill();
        self.drive(lines);
        taken
    }

    /// Takes a character that the guest has not read yet, oldest first: the SBI's console calls
    /// read from here.
    pub fn take_input(&mut self, lines: &mut Lines) -> Option<u8> {
        let byte = self.receive();
        self.drive(lines);
        byte
    }

    fn depth(&self) -> usize {
        if self.fifos { FIFO_DEPTH } else { 1 }
    }

    fn looped(&self) -> bool {
        self.mcr & MCR_LOOP != 0
    }

    /// Moves waiting input into the receive buffer. In loopback the receiver is cut off from the
    /// outside.
    fn refill(&mut self) {
        // Bounded by the depth of the buffer.
        while !self.looped()
            && self.received.len() < self.depth()
            && let Some(byte) = self.input.pop_front()
        {
            self.received.push_back(byte);
        }
    }

    fn receive(&mut self) -> Option<u8> {
        let byte = self.received.pop_front();
        self.refill();
        byte
    }

    fn transmit(&mut self, byte: u8, cx: &mut Ctx<'_>) {
        if !self.looped() {
            cx.host.console(ConsoleId::Uart, &[byte]);
        } else if self.received.len() < self.depth() {
            self.received.push_back(byte);
        } else {
            self.overrun = true;
            // Table II: without FIFOs the new character replaces the one in RBR, with them it
            // is lost.
            if !self.fifos {
                self.received.clear();
                self.received.push_back(byte);
            }
        }
        self.ran_empty = true;
    }

    /// The modem inputs: what is connected, or in loopback the outputs (8.6.5).
    fn modem(&self) -> u8 {
        if !self.looped() {
            return MSR_CONNECTED;
        }
        const OUTPUTS: [u8; 4] = [MSR_DSR, MSR_CTS, MSR_RI, MSR_DCD];
        OUTPUTS
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.mcr & (1 << bit) != 0)
            .fold(0, |inputs, (_, input)| inputs | input)
    }

    fn set_mcr(&mut self, value: u8) {
        let before = self.modem();
        self.mcr = value & MCR_BITS;
        let changed = before ^ self.modem();
        // TERI: the ring indicator reports only its trailing edge.
        let changed = changed & !MSR_RI | changed & before & MSR_RI;
        self.modem_delta |= changed >> 4;
        self.refill();
    }

    fn set_fcr(&mut self, value: u8) {
        let fifos = value & FCR_ENABLE != 0;
        // Switching the FIFOs on or off empties them (8.6.3, bit 0).
        if fifos != self.fifos || fifos && value & FCR_CLEAR_RECEIVER != 0 {
            self.received.clear();
        }
        self.fifos = fifos;
        // The other bits count only together with bit 0.
        self.trigger = if fifos { value >> FCR_TRIGGER_SHIFT } else { 0 };
        self.refill();
    }

    fn set_ier(&mut self, value: u8) {
        let value = value & IER_BITS;
        // Enabling the interrupt while the transmitter is empty raises it: drivers start
        // transmission that way.
        if value & !self.ier & IER_EMPTY != 0 {
            self.ran_empty = true;
        }
        self.ier = value;
    }

    /// The enabled interrupt of the highest priority (table IV), without the FIFO bits.
    fn cause(&self) -> u8 {
        let trigger = TRIGGER.get(usize::from(self.trigger)).copied().unwrap_or(1);
        let enabled = |bit| self.ier & bit != 0;
        if enabled(IER_LINE) && self.overrun {
            IIR_LINE
        } else if enabled(IER_RECEIVED) && self.received.len() >= trigger {
            IIR_RECEIVED
        } else if enabled(IER_RECEIVED) && !self.received.is_empty() {
            IIR_TIMEOUT
        } else if enabled(IER_EMPTY) && self.ran_empty {
            IIR_EMPTY
        } else if enabled(IER_MODEM) && self.modem_delta != 0 {
            IIR_MODEM
        } else {
            IIR_NONE
        }
    }

    fn drive(&self, lines: &mut Lines) {
        lines.set(self.irq, self.cause() != IIR_NONE);
    }

    fn read_register(&mut self, offset: u64) -> u8 {
        let latch = self.lcr & LCR_DLAB != 0;
        match offset {
            RBR_THR_DLL if latch => self.divisor as u8,
            RBR_THR_DLL => self.receive().unwrap_or(0),
            IER_DLM if latch => (self.divisor >> 8) as u8,
            IER_DLM => self.ier,
            IIR_FCR => {
                let cause = self.cause();
                if cause == IIR_EMPTY {
                    // Reading IIR resets this cause (table IV).
                    self.ran_empty = false;
                }
                cause | if self.fifos { IIR_FIFOS } else { 0 }
            }
            LCR => self.lcr,
            MCR => self.mcr,
            LSR => {
                let overrun = core::mem::take(&mut self.overrun);
                LSR_EMPTY
                    | if overrun { LSR_OVERRUN } else { 0 }
                    | if self.received.is_empty() {
                        0
                    } else {
                        LSR_READY
                    }
            }
            MSR => self.modem() | core::mem::take(&mut self.modem_delta),
            SCR => self.scr,
            _ => 0,
        }
    }

    fn write_register(&mut self, offset: u64, value: u8, cx: &mut Ctx<'_>) {
        let latch = self.lcr & LCR_DLAB != 0;
        match offset {
            RBR_THR_DLL if latch => self.divisor = self.divisor & 0xff00 | u16::from(value),
            RBR_THR_DLL => self.transmit(value, cx),
            IER_DLM if latch => self.divisor = self.divisor & 0x00ff | u16::from(value) << 8,
            IER_DLM => self.set_ier(value),
            IIR_FCR => self.set_fcr(value),
            LCR => self.lcr = value,
            MCR => self.set_mcr(value),
            SCR => self.scr = value,
            // LSR and MSR are for reading; writing them is for factory tests.
            _ => {}
        }
    }
}

impl Device for Uart {
    fn read(&mut self, offset: u64, _: Width, cx: &mut Ctx<'_>) -> u64 {
        let value = self.read_register(offset);
        self.drive(cx.lines);
        u64::from(value)
    }

    fn write(&mut self, offset: u64, _: Width, value: u64, cx: &mut Ctx<'_>) {
        self.write_register(offset, value as u8, cx);
        self.drive(cx.lines);
    }
}

#[cfg(test)]
mod tests;
