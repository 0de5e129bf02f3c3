//! Writes that are held in memory over a disk that is only read: `--snapshot`.

use std::collections::BTreeMap;
use std::io;

use super::Disk;

/// Bytes of the pieces that are kept.
const CHUNK: u64 = 4096;

/// A disk whose changes are forgotten with it. Takes as much memory as was written.
pub struct Forgetful {
    base: Box<dyn Disk>,
    chunks: BTreeMap<u64, Box<[u8]>>,
}

impl Forgetful {
    /// Puts forgetfulness over a disk.
    pub fn new(base: Box<dyn Disk>) -> Self {
        Self {
            base,
            chunks: BTreeMap::new(),
        }
    }

    /// Bytes of chunk `index`; the last one may be shorter.
    fn chunk_len(&self, index: u64) -> usize {
        (self.base.size() - index * CHUNK).min(CHUNK) as usize
    }

    /// The chunk, copied from the base when it is touched for the first time.
    fn chunk(&mut self, index: u64, whole: bool) -> io::Result<&mut [u8]> {
        if !self.chunks.contains_key(&index) {
            let mut bytes = vec![0; self.chunk_len(index)].into_boxed_slice();
            if !whole {
                self.base.read(index * CHUNK, &mut bytes)?;
            }
            self.chunks.insert(index, bytes);
        }
        match self.chunks.get_mut(&index) {
            Some(chunk) => Ok(chunk),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Calls `each` with (chunk, offset in it, offset in the range, length) for a range.
    fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (u64, usize, usize, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == len {
                return None;
            }
            let inside = (offset + at) % CHUNK;
            let step = (CHUNK - inside).min(len - at);
            let piece = (
                (offset + at) / CHUNK,
                inside as usize,
                at as usize,
                step as usize,
            );
            at += step;
            Some(piece)
        })
    }
}

impl Disk for Forgetful {
    fn trouble(&mut self) -> Option<String> {
        self.base.trouble()
    }

    fn size(&self) -> u64 {
        self.base.size()
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        // One read of the base for all, then what was written over it.
        self.base.read(offset, bytes)?;
        for (index, inside, at, len) in Self::pieces(offset, bytes.len() as u64) {
            if let Some(chunk) = self.chunks.get(&index) {
                bytes[at..at + len].copy_from_slice(&chunk[inside..inside + len]);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        for (index, inside, at, len) in Self::pieces(offset, bytes.len() as u64) {
            let whole = len == self.chunk_len(index);
            let chunk = self.chunk(index, whole)?;
            chunk[inside..inside + len].copy_from_slice(&bytes[at..at + len]);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, _: bool) -> io::Result<()> {
        for (index, inside, _, len) in Self::pieces(offset, len) {
            let whole = len == self.chunk_len(index);
            self.chunk(index, whole)?[inside..inside + len].fill(0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::RawFile;
    use super::*;

    #[test]
    fn writes_are_read_back_and_the_file_stays_as_it_was() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let before: Vec<u8> = (0..4096 + 1024).map(|n| (n % 251) as u8).collect();
        std::fs::write(file.path(), &before).unwrap();
        let base = RawFile::open(file.path(), true, false).unwrap();
        let mut disk = Forgetful::new(Box::new(base));
        let mut expected = before.clone();
        // Across the border of two chunks, into the short last one, and over all.
        for (offset, len) in [(3584, 1024), (4608, 512), (0, 512)] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 7) as u8 + 100).collect();
            disk.write(offset as u64, &bytes).unwrap();
            expected[offset..offset + len].copy_from_slice(&bytes);
        }
        disk.write_zeroes(1024, 512, true).unwrap();
        expected[1024..1536].fill(0);
        disk.flush().unwrap();
        let mut read = vec![0; before.len()];
        disk.read(0, &mut read).unwrap();
        assert_eq!(read, expected);
        assert_eq!(std::fs::read(file.path()).unwrap(), before);
    }
}
