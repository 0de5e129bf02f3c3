//! The machine's memory: an anonymous mapping, of which the host gives pages as they are touched.
#![allow(
    unsafe_code,
    reason = "the trait that lends memory to the core can only be implemented by promise"
)]

use std::ptr::NonNull;

use memmap2::MmapMut;
use virtarium_machine::arena::{Arena, Storage};
use virtarium_machine::error::ConfigError;

/// Memory from the operating system.
pub struct Mapping {
    map: MmapMut,
    base: NonNull<u8>,
}

impl Mapping {
    /// Storage for a machine with `ram_size` bytes of RAM.
    pub fn for_ram(ram_size: u64) -> Result<Box<dyn Storage>, ConfigError> {
        let bytes = Arena::storage_size(ram_size);
        let unavailable = || ConfigError::MemoryUnavailable { bytes };
        let len = usize::try_from(bytes).map_err(|_| unavailable())?;
        let mut map = MmapMut::map_anon(len).map_err(|_| unavailable())?;
        // Large pages spare the host's TLB; a host without them does as well.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        let base = NonNull::new(map.as_mut_ptr()).ok_or_else(unavailable)?;
        Ok(Box::new(Self { map, base }))
    }
}

// SAFETY: the mapping is private to this value, readable and writable, zero at first, aligned to
// a page, as long as `len` says, and stays where it is until the value is dropped. Nothing else
// borrows `map`.
unsafe impl Storage for Mapping {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_serves_an_arena() {
        let size = 1 << 20;
        let arena = Arena::new(Mapping::for_ram(size).unwrap(), size);
        assert_eq!(arena.unwrap().ram_size(), size);
    }

    #[test]
    fn more_than_the_host_has_is_an_error() {
        assert!(Mapping::for_ram(1 << 60).is_err());
    }
}
