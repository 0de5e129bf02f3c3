//! Debug console, chapter 12: it shares the UART's stream.

use super::super::Machine;
use super::{Answer, Call, Error};
use crate::host::{ConsoleId, Host};
use crate::mem::{Memory, PhysAddr};

/// Bytes written or read in one call at most: what is left the caller asks for again.
const PIECE: usize = 4096;

impl Machine {
    pub(super) fn debug_console(&mut self, call: &Call, host: &mut dyn Host) -> Answer {
        let [count, low, high, ..] = call.arguments;
        match call.function {
            0 => {
                let mut bytes = [0; PIECE];
                let bytes = self.console_buffer(count, low, high, &mut bytes)?;
                let memory = Memory::new(self.arena.ram());
                memory
                    .read(PhysAddr(low), bytes)
                    .map_err(|_| Error::InvalidParam)?;
                self.print(bytes, host);
                Ok(bytes.len() as u64)
            }
            1 => {
                let mut bytes = [0; PIECE];
                let bytes = self.console_buffer(count, low, high, &mut bytes)?;
                let mut taken = 0;
                for place in bytes.iter_mut() {
                    match self.board.uart.take_input(&mut self.board.lines) {
                        Some(byte) => *place = byte,
                        None => break,
                    }
                    taken += 1;
                }
                let memory = Memory::new(self.arena.ram());
                let bytes = bytes.get(..taken).unwrap_or_default();
                memory
                    .write(PhysAddr(low), bytes)
                    .map_err(|_| Error::InvalidParam)?;
                Ok(taken as u64)
            }
            2 => {
                self.print(&[count as u8], host);
                Ok(0)
            }
            _ => Err(Error::NotSupported),
        }
    }

    /// Checks the caller's buffer, which lies in RAM whole (3.2), and lends one of ours for the
    /// part that is handled now.
    fn console_buffer<'b>(
        &mut self,
        count: u64,
        low: u64,
        high: u64,
        ours: &'b mut [u8; PIECE],
    ) -> Result<&'b mut [u8], Error> {
        let memory = Memory::new(self.arena.ram());
        if high != 0 || !memory.contains(PhysAddr(low), count) {
            return Err(Error::InvalidParam);
        }
        let len = count.min(PIECE as u64) as usize;
        ours.get_mut(..len).ok_or(Error::InvalidParam)
    }

    pub(super) fn print(&mut self, bytes: &[u8], host: &mut dyn Host) {
        host.console(ConsoleId::Uart, bytes);
    }
}
