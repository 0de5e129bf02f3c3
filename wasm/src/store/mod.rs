//! Where a disk's changes are kept.

mod blocks;
mod handle;

use virtarium_backends::disk::{Store, StoreError};
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::FileSystemSyncAccessHandle;

pub(crate) use blocks::{Batch, Blocks};
use handle::Handle;
pub(crate) use handle::Refusal;

/// A place for an overlay file.
#[wasm_bindgen]
pub struct Storage(pub(crate) Place);

/// The kinds of places.
pub(crate) enum Place {
    /// A file of the origin's private file system.
    Handle(Handle),
    /// Memory, with account of what changed for whoever writes it to a database.
    Blocks(Blocks),
}

#[wasm_bindgen]
impl Storage {
    /// A file of the origin's private file system. The handle is exclusive; it is closed when
    /// the disk is closed.
    #[wasm_bindgen(js_name = fromHandle)]
    #[must_use]
    pub fn from_handle(handle: FileSystemSyncAccessHandle) -> Self {
        Self(Place::Handle(Handle::new(handle)))
    }

    /// Memory. With `logged`, what a flush makes stable is given to the worker first.
    #[must_use]
    pub fn memory(logged: bool) -> Self {
        Self(Place::Blocks(Blocks::new(logged)))
    }

    /// Bytes of a block of a logged store.
    #[wasm_bindgen(js_name = blockSize)]
    #[must_use]
    pub fn block_size() -> u32 {
        blocks::BLOCK as u32
    }

    /// Puts back a block of a logged store that was written to the database.
    #[wasm_bindgen(js_name = restoreBlock)]
    pub fn restore_block(&mut self, number: u32, bytes: &[u8]) {
        if let Place::Blocks(blocks) = &mut self.0 {
            blocks.restore(number, bytes);
        }
    }

    /// Sets the length in bytes of a logged store that was written to the database.
    #[wasm_bindgen(js_name = restoreLength)]
    pub fn restore_length(&mut self, length: f64) {
        if let Place::Blocks(blocks) = &mut self.0 {
            blocks.restore_length(length as u64);
        }
    }
}

impl Place {
    /// The blocks of a logged store.
    pub(crate) fn logged(&mut self) -> Option<&mut Blocks> {
        match self {
            Self::Blocks(blocks) if blocks.is_logged() => Some(blocks),
            _ => None,
        }
    }

    /// Lets go of a file's handle, or takes another one of the same file. Other places have none.
    pub(crate) fn reattach(&mut self, handle: Option<FileSystemSyncAccessHandle>) {
        if let Self::Handle(file) = self {
            match handle {
                Some(handle) => file.attach(handle),
                None => file.detach(),
            }
        }
    }

    /// What the host said when it last refused, in its words. It outlives the place.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Handle(handle) => Refusal::clone(handle.refusal()),
            Self::Blocks(_) => Refusal::default(),
        }
    }
}

impl Store for Place {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.read(at, buf),
            Self::Blocks(blocks) => blocks.read(at, buf),
        }
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.write(at, data),
            Self::Blocks(blocks) => blocks.write(at, data),
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.flush(),
            Self::Blocks(blocks) => blocks.flush(),
        }
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        match self {
            Self::Handle(handle) => handle.len(),
            Self::Blocks(blocks) => blocks.len(),
        }
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.set_len(len),
            Self::Blocks(blocks) => blocks.set_len(len),
        }
    }
}
