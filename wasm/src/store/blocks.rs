//! A file in memory, in blocks, with account of which of them changed.
//!
//! A database of the browser answers later, a [`Store`] at once. So the file lives here, and what
//! changed since the last batch is handed out in one [`Batch`], which the worker writes in one
//! transaction. What the database holds is therefore always the file as it was at one moment: the
//! order of the writes within a batch does not matter.

use std::collections::{BTreeMap, BTreeSet};

use virtarium_backends::disk::{Store, StoreError};

/// Bytes in a block.
pub(crate) const BLOCK: usize = 16 * 1024;
/// What a file may take of the tab's memory.
const MOST: u64 = 512 << 20;

/// The file.
pub(crate) struct Blocks {
    len: u64,
    /// Blocks that were ever written; others are zero.
    blocks: BTreeMap<u32, Box<[u8]>>,
    /// With a log: numbers of the blocks that the database does not have as they are.
    changed: Option<BTreeSet<u32>>,
    /// The length that the database has.
    stable_len: u64,
    /// [`MOST`], but for tests.
    most: u64,
}

/// What one transaction brings the database.
pub(crate) struct Batch {
    /// The length of the file.
    pub(crate) len: u64,
    /// Blocks and their bytes; none for a block that is gone.
    pub(crate) blocks: Vec<(u32, Option<Vec<u8>>)>,
}

impl Blocks {
    pub(crate) fn new(logged: bool) -> Self {
        Self {
            len: 0,
            blocks: BTreeMap::new(),
            changed: logged.then(BTreeSet::new),
            stable_len: 0,
            most: MOST,
        }
    }

    /// There is room for so many bytes.
    #[cfg(test)]
    pub(crate) fn limit(&mut self, most: u64) {
        self.most = most;
    }

    pub(crate) fn is_logged(&self) -> bool {
        self.changed.is_some()
    }

    pub(crate) fn restore(&mut self, number: u32, bytes: &[u8]) {
        let mut block = vec![0; BLOCK].into_boxed_slice();
        let len = bytes.len().min(BLOCK);
        if u64::from(number) < MOST / BLOCK as u64 {
            block[..len].copy_from_slice(&bytes[..len]);
            self.blocks.insert(number, block);
        }
    }

    pub(crate) fn restore_length(&mut self, len: u64) {
        self.len = len.min(MOST);
        self.stable_len = self.len;
    }

    /// What changed since the last batch; `None` if nothing did.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        let changed = std::mem::take(self.changed.as_mut()?);
        if changed.is_empty() && self.len == self.stable_len {
            return None;
        }
        self.stable_len = self.len;
        let bytes = |number: &u32| self.blocks.get(number).map(|block| block.to_vec());
        Some(Batch {
            len: self.len,
            blocks: changed.iter().map(|n| (*n, bytes(n))).collect(),
        })
    }

    /// The database did not take a batch: its blocks are to be in the next one.
    pub(crate) fn put_back(&mut self, numbers: impl IntoIterator<Item = u32>) {
        if let Some(changed) = &mut self.changed {
            changed.extend(numbers);
            // No file has this length: the next batch tells it.
            self.stable_len = u64::MAX;
        }
    }

    fn note(&mut self, number: u32) {
        if let Some(changed) = &mut self.changed {
            changed.insert(number);
        }
    }
}

/// The pieces of a range: number of the block, first byte within it, and bytes of the range.
fn pieces(at: u64, len: usize) -> impl Iterator<Item = (u32, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let byte = at + done as u64;
        let from = (byte % BLOCK as u64) as usize;
        let end = len.min(done + BLOCK - from);
        let piece = ((byte / BLOCK as u64) as u32, from, done..end);
        let more = done < len;
        done = end;
        more.then_some(piece)
    })
}

/// Checks that a range ends within what there can be.
fn end(at: u64, len: usize, most: u64, error: StoreError) -> Result<u64, StoreError> {
    let end = at.checked_add(len as u64).ok_or(error)?;
    if end > most { Err(error) } else { Ok(end) }
}

impl Store for Blocks {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        end(at, buf.len(), self.len, StoreError::Io)?;
        for (number, from, range) in pieces(at, buf.len()) {
            let to = &mut buf[range];
            match self.blocks.get(&number) {
                Some(block) => to.copy_from_slice(&block[from..from + to.len()]),
                None => to.fill(0),
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        let end = end(at, data.len(), self.most, StoreError::NoSpace)?;
        for (number, from, range) in pieces(at, data.len()) {
            let data = &data[range];
            let block = self
                .blocks
                .entry(number)
                .or_insert_with(|| vec![0; BLOCK].into_boxed_slice());
            block[from..from + data.len()].copy_from_slice(data);
            self.note(number);
        }
        self.len = self.len.max(end);
        Ok(())
    }

    /// Nothing: the batch is what becomes stable, and its transaction is the flush.
    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        Ok(self.len)
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        if len > self.most {
            return Err(StoreError::NoSpace);
        }
        if len < self.len {
            let kept = len.div_ceil(BLOCK as u64) as u32;
            for number in self.blocks.split_off(&kept).into_keys() {
                self.note(number);
            }
            let within = (len % BLOCK as u64) as usize;
            if within != 0
                && let Some(block) = self.blocks.get_mut(&(kept - 1))
            {
                block[within..].fill(0);
                self.note(kept - 1);
            }
        }
        self.len = len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtarium_backends::disk::MemStore;

    /// What a database holds after a batch.
    fn apply(database: &mut (u64, BTreeMap<u32, Vec<u8>>), batch: Batch) {
        database.0 = batch.len;
        for (number, bytes) in batch.blocks {
            match bytes {
                Some(bytes) => database.1.insert(number, bytes),
                None => database.1.remove(&number),
            };
        }
    }

    fn restored(database: &(u64, BTreeMap<u32, Vec<u8>>)) -> Blocks {
        let mut blocks = Blocks::new(true);
        for (number, bytes) in &database.1 {
            blocks.restore(*number, bytes);
        }
        blocks.restore_length(database.0);
        blocks
    }

    #[test]
    fn it_is_a_file_and_its_batches_rebuild_it() {
        let mut state = 7u64;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let mut blocks = Blocks::new(true);
        let mut plain = MemStore::default();
        let mut database = (0, BTreeMap::new());
        for step in 0..2000 {
            let at = draw(100_000);
            let bytes = vec![step as u8 | 1; draw(40_000) as usize];
            if draw(8) == 0 {
                assert_eq!(blocks.set_len(at), plain.set_len(at));
            } else {
                assert_eq!(blocks.write(at, &bytes), plain.write(at, &bytes));
            }
            if draw(10) == 0
                && let Some(batch) = blocks.take_batch()
            {
                if draw(4) == 0 {
                    blocks.put_back(batch.blocks.into_iter().map(|(number, _)| number));
                } else {
                    apply(&mut database, batch);
                }
            }
            assert_eq!(blocks.len(), plain.len());
        }
        if let Some(batch) = blocks.take_batch() {
            apply(&mut database, batch);
        }
        assert!(blocks.take_batch().is_none());
        let mut again = restored(&database);
        let len = plain.bytes.len();
        for store in [&mut blocks, &mut again] {
            let mut bytes = vec![0; len];
            store.read(0, &mut bytes).unwrap();
            assert!(bytes == plain.bytes);
            assert_eq!(store.read(1, &mut bytes), Err(StoreError::Io));
        }
    }

    #[test]
    fn it_does_not_take_the_whole_memory() {
        let mut blocks = Blocks::new(false);
        assert_eq!(blocks.write(MOST, &[1]), Err(StoreError::NoSpace));
        assert_eq!(blocks.set_len(MOST + 1), Err(StoreError::NoSpace));
        assert_eq!(blocks.write(u64::MAX, &[1, 2]), Err(StoreError::NoSpace));
        assert_eq!(blocks.len(), Ok(0));
        assert!(blocks.take_batch().is_none(), "nothing logs");
    }
}
