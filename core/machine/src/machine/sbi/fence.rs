//! Remote fences, chapter 8.

use super::super::Machine;
use super::{Answer, Call, Error, FENCED};

/// Ranges of more pages than this are fenced as a whole address space.
const PAGES: u64 = 64;
const PAGE_SIZE: u64 = crate::arena::PAGE_SIZE;

impl Machine {
    pub(super) fn remote_fence(&mut self, call: &Call) -> Answer {
        let [mask, base, start, size, asid, _] = call.arguments;
        let asid = match call.function {
            // FENCE.I: fetches see every store anyway.
            0 => return self.masked(mask, base).map(|_| 0),
            1 => None,
            2 => Some(asid as u16),
            // Fences of the hypervisor extension, which there is not.
            _ => return Err(Error::NotSupported),
        };
        let harts = self.masked(mask, base)?;
        let whole = size == u64::MAX || (start == 0 && size == 0);
        let first = start & !(PAGE_SIZE - 1);
        let end = match start.checked_add(size) {
            Some(end) => end,
            None if whole => u64::MAX,
            None => return Err(Error::InvalidAddress),
        };
        let pages = (end - first).div_ceil(PAGE_SIZE);
        for id in harts {
            let Some(hart) = self.harts.get_mut(id) else {
                continue;
            };
            // Shortcuts are dropped whole: a remote fence is rare.
            if whole || pages > PAGES {
                let _ = hart.fence(None, asid);
            } else {
                for page in 0..pages {
                    let _ = hart.fence(Some(first + page * PAGE_SIZE), asid);
                }
            }
            self.apply(id, FENCED);
        }
        Ok(0)
    }
}
