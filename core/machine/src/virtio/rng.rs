//! The entropy device (5.4): bytes that follow from the machine's seed.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use super::device::{DeviceCtx, VirtioDevice};
use super::queue::QueueError;
use super::regs::Features;

/// Bytes given to one buffer at most; 5.4.6.2 allows less than it holds.
pub const CHAIN_LIMIT: u32 = 64 * 1024;
/// Bytes generated at a time.
const PIECE: usize = 1024;
/// Log2 of the bytes under one nonce. ChaCha20 has 2^38.
const NONCE_SHIFT: u32 = 32;

/// A source of random bytes: the ChaCha20 key stream (RFC 8439) of a key made from the seed.
#[derive(Clone, Debug, Hash)]
pub struct Rng {
    key: [u8; 32],
    /// Bytes given so far.
    position: u64,
}

impl Rng {
    /// A source for the machine with this seed, different for each `instance` of the device.
    pub fn new(seed: u64, instance: usize) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(b"virtio entropy 4");
        key[16..24].copy_from_slice(&seed.to_le_bytes());
        key[24..].copy_from_slice(&(instance as u64).to_le_bytes());
        Self { key, position: 0 }
    }

    /// Fills the buffer with the next bytes of the stream.
    fn fill(&mut self, out: &mut [u8; PIECE], len: usize) {
        let out = out.get_mut(..len).unwrap_or_default();
        out.fill(0);
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&((self.position >> NONCE_SHIFT) as u32).to_le_bytes());
        let mut cipher = ChaCha20::new(&self.key.into(), &nonce.into());
        // A piece that begins under one nonce ends under it: the stream of each is longer than
        // its share by far.
        cipher.seek(self.position & ((1 << NONCE_SHIFT) - 1));
        cipher.apply_keystream(out);
        self.position = self.position.wrapping_add(len as u64);
    }
}

impl VirtioDevice for Rng {
    fn id(&self) -> u32 {
        4
    }

    fn features(&self) -> Features {
        Features::default()
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[64]
    }

    fn read_config(&self, _: u64, _: &mut [u8]) {}

    fn notify(&mut self, queue: usize, cx: &mut DeviceCtx<'_>) -> Result<(), QueueError> {
        let mut piece = [0; PIECE];
        while let Some(mut chain) = cx.pop(queue)? {
            let wanted = chain.writer.len().min(CHAIN_LIMIT);
            // Bounded by CHAIN_LIMIT / PIECE.
            while chain.writer.written() < wanted {
                let len = ((wanted - chain.writer.written()) as usize).min(PIECE);
                self.fill(&mut piece, len);
                chain
                    .writer
                    .write(&cx.memory, piece.get(..len).unwrap_or_default())?;
            }
            cx.push(queue, chain.head, chain.writer.written())?;
        }
        Ok(())
    }

    fn reset(&mut self) {}

    fn power_cycle(&mut self) {
        self.position = 0;
    }
}

#[cfg(test)]
mod tests;
