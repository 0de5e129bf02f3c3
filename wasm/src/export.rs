//! A disk's overlay as one file, for whoever wants to keep it.

use virtarium_backends::disk::{Store, StoreError, Streamed};

/// What is laid over the store while it is read.
#[derive(Default)]
pub(crate) struct Export {
    /// What the store lacks of what the disk holds, as of the last beginning.
    lacking: Vec<(u64, Vec<u8>)>,
}

impl Export {
    /// Bytes of the file, fewer at its end and none behind it. It begins anew at 0.
    pub(crate) fn read<S: Store>(
        &mut self,
        disk: &mut Streamed<S>,
        at: u64,
        length: usize,
    ) -> Result<Vec<u8>, StoreError> {
        if at == 0 {
            self.lacking = disk.overlay().lacking();
        }
        let store = disk.overlay_mut().store_mut();
        let stored = store.len()?;
        let ends = self
            .lacking
            .iter()
            .map(|(at, bytes)| at + bytes.len() as u64);
        let left = ends.fold(stored, u64::max).saturating_sub(at);
        let mut bytes = vec![0; length.min(usize::try_from(left).unwrap_or(usize::MAX))];
        // No store reads behind its end, not even nothing.
        let from_store = stored.saturating_sub(at).min(bytes.len() as u64) as usize;
        if from_store > 0 {
            store.read(at, &mut bytes[..from_store])?;
        }
        for (place, piece) in &self.lacking {
            lay(&mut bytes, at, piece, *place);
        }
        Ok(bytes)
    }
}

/// Lays `piece`, which is at `place` of a file, over `bytes`, which are at `at`.
fn lay(bytes: &mut [u8], at: u64, piece: &[u8], place: u64) {
    let from = place.max(at);
    let to = (place + piece.len() as u64).min(at + bytes.len() as u64);
    if from < to {
        let piece = &piece[(from - place) as usize..(to - place) as usize];
        bytes[(from - at) as usize..(to - at) as usize].copy_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use virtarium_backends::disk::{BaseId, Manifest, MemStore, NoBase, Overlay, OverlayOptions};
    use virtarium_machine::host::BlockRequest;

    use super::*;
    use crate::store::Blocks;

    #[test]
    fn what_no_flush_made_stable_is_in_the_file() {
        let manifest = Manifest::unverified(1 << 20, 1 << 18, BaseId([0; 32])).unwrap();
        let options = OverlayOptions::default();
        let mut disk = Streamed::create(Blocks::new(true), manifest, &options, 0).unwrap();
        let write = BlockRequest::Write {
            sector: 0,
            data: vec![7; 4096],
        };
        disk.overlay_mut().execute(&write).unwrap();
        for flushed in [false, true] {
            if flushed {
                disk.overlay_mut().execute(&BlockRequest::Flush).unwrap();
            }
            // The pieces do not end where the metadata do.
            let (mut export, mut file) = (Export::default(), Vec::new());
            loop {
                let at = file.len() as u64;
                let piece = export.read(&mut disk, at, 100_003).unwrap();
                if piece.is_empty() {
                    break;
                }
                file.extend(piece);
            }
            assert!(export.read(&mut disk, u64::MAX, 1).unwrap().is_empty());
            let mut store = MemStore::new(file);
            let report = Overlay::<_, NoBase>::verify(&mut store).unwrap();
            assert_eq!(report.problems, [], "flushed: {flushed}");
            assert_eq!(report.summary.unwrap().allocated, 1, "flushed: {flushed}");
        }
    }

    #[test]
    fn pieces_are_laid_where_they_belong() {
        for place in 0..12 {
            let mut bytes = [0; 4];
            lay(&mut bytes, 4, &[1, 2, 3], place);
            let expected = (4..8).map(|at| match at - place as i64 {
                offset @ 0..3 => offset as u8 + 1,
                _ => 0,
            });
            assert!(bytes.iter().copied().eq(expected), "{place}: {bytes:?}");
        }
    }
}
