//! Records of the journal: what changed in the map since its pages were last written.

use alloc::vec;
use alloc::vec::Vec;

use super::entry::Entry;
use super::format::{BLOCK, Kind, PREFIX, Prefix, RUN, checksum, put, u32_at, u64_at};
use super::map::Run;

/// Most pages of the map that may differ from the file. It bounds what a checkpoint writes
/// (1 MiB), how much may pile up before a flush, and what a record can ask of its reader.
pub const MAX_DIRTY: usize = 256;

/// Size of a record with this many runs, in bytes.
pub fn record_len(runs: usize) -> usize {
    (PREFIX + runs * RUN).next_multiple_of(BLOCK)
}

/// The bytes of a record.
pub fn encode(runs: &[Run], sequence: u64, epoch: u64) -> Vec<u8> {
    let mut bytes = vec![0; record_len(runs.len())];
    for (i, run) in runs.iter().enumerate() {
        let at = PREFIX + i * RUN;
        put(&mut bytes, at, &run.first.to_le_bytes());
        put(&mut bytes, at + 4, &run.count.to_le_bytes());
        put(&mut bytes, at + 8, &run.entry.0.to_le_bytes());
    }
    let prefix = Prefix {
        kind: Kind::Record,
        number: runs.len() as u32,
        sequence,
        epoch,
        body: checksum(&bytes[PREFIX..]),
    };
    put(&mut bytes, 0, &prefix.encode());
    bytes
}

/// The runs of a record whose prefix was found, and its size in bytes; `None` if it is torn or
/// reaches beyond the end of `bytes`.
pub fn decode<'a>(
    bytes: &'a [u8],
    prefix: &Prefix,
) -> Option<(impl Iterator<Item = Run> + 'a, usize)> {
    let count = usize::try_from(prefix.number).ok()?;
    let len = PREFIX
        .checked_add(count.checked_mul(RUN)?)?
        .checked_next_multiple_of(BLOCK)?;
    let body = bytes.get(PREFIX..len)?;
    if checksum(body) != prefix.body {
        return None;
    }
    let runs = body.chunks_exact(RUN).take(count).map(|bytes| Run {
        first: u32_at(bytes, 0),
        count: u32_at(bytes, 4),
        entry: Entry(u64_at(bytes, 8)),
    });
    Some((runs, len))
}
