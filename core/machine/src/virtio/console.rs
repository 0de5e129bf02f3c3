//! The console (5.3): one port, with the size of its terminal and emergency output.

use alloc::collections::VecDeque;

use super::device::{DeviceCtx, VirtioDevice, read_bytes};
use super::queue::{Chain, QueueError};
use super::regs::Features;
use crate::host::{ConsoleId, Host};

/// receiveq(port0): input to the guest.
pub const RECEIVE: usize = 0;
/// transmitq(port0): output of the guest.
pub const TRANSMIT: usize = 1;

/// VIRTIO_CONSOLE_F_SIZE: cols and rows are valid.
pub const SIZE: Features = Features(1 << 0);
/// VIRTIO_CONSOLE_F_EMERG_WRITE: emerg_wr is valid.
pub const EMERG_WRITE: Features = Features(1 << 2);

/// Offset of emerg_wr.
const EMERG_WR: u64 = 8;
/// Bytes of struct virtio_console_config.
const CONFIG_SIZE: usize = 12;

/// Bytes of input that wait for a guest that does not read.
pub const INPUT_LIMIT: usize = 64 * 1024;
/// Bytes that one buffer may print.
pub const OUTPUT_LIMIT: u32 = 1024 * 1024;
/// Bytes handed to the host at a time.
const PIECE: usize = 4096;

/// How a console is configured.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct ConsoleConfig {
    /// Which console of the embedder: [`ConsoleId::Virtio`] of this number.
    pub console: usize,
    /// Columns of its terminal; 0 if unknown.
    pub cols: u16,
    /// Rows of its terminal; 0 if unknown.
    pub rows: u16,
}

/// A console.
#[derive(Clone, Debug, Hash)]
pub struct Console {
    config: ConsoleConfig,
    /// Typed and not yet read. Outlives a reset by the driver: it is the user's, not the driver's.
    input: VecDeque<u8>,
}

impl Console {
    /// A console with nothing typed.
    pub fn new(config: ConsoleConfig) -> Self {
        Self {
            config,
            input: VecDeque::new(),
        }
    }

    /// How it is configured; the size is the latest.
    pub fn config(&self) -> &ConsoleConfig {
        &self.config
    }

    /// Takes input, up to [`INPUT_LIMIT`] bytes waiting; returns how many bytes were taken.
    pub(super) fn type_ahead(&mut self, bytes: &[u8]) -> usize {
        let room = INPUT_LIMIT.saturating_sub(self.input.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.input.extend(taken);
        taken.len()
    }

    /// Returns whether the size is another one.
    pub(super) fn resize(&mut self, cols: u16, rows: u16) -> bool {
        let changed = (self.config.cols, self.config.rows) != (cols, rows);
        (self.config.cols, self.config.rows) = (cols, rows);
        changed
    }

    fn id(&self) -> ConsoleId {
        ConsoleId::Virtio(self.config.console)
    }

    fn receive(&mut self, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        while !self.input.is_empty() {
            let Some(mut chain) = cx.pop(RECEIVE)? else {
                break;
            };
            // Two runs at most: the buffer is a ring.
            let (first, second) = self.input.as_slices();
            let mut taken = chain.writer.write(&cx.memory, first)?;
            taken += chain.writer.write(&cx.memory, second)?;
            self.input.drain(..taken);
            cx.push(RECEIVE, chain.head, chain.writer.written())?;
        }
        Ok(())
    }

    fn transmit(&mut self, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        while let Some(chain) = cx.pop(TRANSMIT)? {
            self.print(chain, cx)?;
        }
        Ok(())
    }

    fn print(&mut self, mut chain: Chain, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        if chain.reader.remaining() > OUTPUT_LIMIT {
            return Err(QueueError::Request);
        }
        let mut piece = [0; PIECE];
        // Bounded by OUTPUT_LIMIT / PIECE.
        loop {
            let len = chain.reader.read(&cx.memory, &mut piece)?;
            match piece.get(..len) {
                Some(bytes) if len > 0 => cx.host.console(self.id(), bytes),
                _ => break,
            }
        }
        cx.push(TRANSMIT, chain.head, 0)
    }
}

impl VirtioDevice for Console {
    fn id(&self) -> u32 {
        3
    }

    fn features(&self) -> Features {
        SIZE.with(EMERG_WRITE)
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[64, 64]
    }

    fn read_config(&self, offset: u64, out: &mut [u8]) {
        // struct virtio_console_config { le16 cols; le16 rows; le32 max_nr_ports; le32 emerg_wr; }
        let mut config = [0; CONFIG_SIZE];
        let size = u32::from(self.config.rows) << 16 | u32::from(self.config.cols);
        config[..4].copy_from_slice(&size.to_le_bytes());
        read_bytes(&config, offset, out);
    }

    fn write_config(&mut self, offset: u64, bytes: &[u8], host: &mut dyn Host) {
        // 5.3.5.1: at any time; the low byte is the character.
        if offset == EMERG_WR
            && let Some(byte) = bytes.get(..1)
        {
            host.console(self.id(), byte);
        }
    }

    fn notify(&mut self, queue: usize, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        match queue {
            RECEIVE => self.receive(cx),
            TRANSMIT => self.transmit(cx),
            _ => Ok(()),
        }
    }

    fn reset(&mut self) {}

    fn power_cycle(&mut self) {
        self.input.clear();
    }
}

#[cfg(test)]
mod tests;
