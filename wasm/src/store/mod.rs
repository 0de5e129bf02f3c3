//! Where a disk's changes are kept.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

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
    /// Memory, which the next machine may be given; with account of what changed where somebody
    /// writes it to a database.
    Blocks(Rc<RefCell<Blocks>>),
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
        Self(Place::Blocks(Rc::new(RefCell::new(Blocks::new(logged)))))
    }

    /// The same memory, for the machine that comes after the one that has it. A file has one handle
    /// and gives nothing.
    #[must_use]
    pub fn again(&self) -> Option<Storage> {
        match &self.0 {
            Place::Handle(_) => None,
            Place::Blocks(blocks) => Some(Self(Place::Blocks(Rc::clone(blocks)))),
        }
    }

    /// Bytes of it, fewer at its end and none behind it, or where it cannot be read.
    #[must_use]
    pub fn read(&mut self, at: f64, length: u32) -> Vec<u8> {
        let at = at as u64;
        let left = self.0.len().unwrap_or(0).saturating_sub(at);
        let mut bytes = vec![0; u64::from(length).min(left) as usize];
        match self.0.read(at, &mut bytes) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    /// Bytes of a block of a logged store.
    #[wasm_bindgen(js_name = blockSize)]
    #[must_use]
    pub fn block_size() -> u32 {
        blocks::BLOCK as u32
    }

    /// Puts back a block of memory that was written to the database.
    #[wasm_bindgen(js_name = restoreBlock)]
    pub fn restore_block(&mut self, number: u32, bytes: &[u8]) {
        if let Place::Blocks(blocks) = &self.0 {
            blocks.borrow_mut().restore(number, bytes);
        }
    }

    /// Sets the length in bytes of memory that was written to the database.
    #[wasm_bindgen(js_name = restoreLength)]
    pub fn restore_length(&mut self, length: f64) {
        if let Place::Blocks(blocks) = &self.0 {
            blocks.borrow_mut().restore_length(length as u64);
        }
    }
}

impl Place {
    /// The blocks of a logged store.
    pub(crate) fn logged(&mut self) -> Option<RefMut<'_, Blocks>> {
        match self {
            Self::Handle(_) => None,
            Self::Blocks(blocks) => Some(blocks.borrow_mut()).filter(|blocks| blocks.is_logged()),
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
            Self::Blocks(blocks) => blocks.borrow_mut().read(at, buf),
        }
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.write(at, data),
            Self::Blocks(blocks) => blocks.borrow_mut().write(at, data),
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.flush(),
            Self::Blocks(blocks) => blocks.borrow_mut().flush(),
        }
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        match self {
            Self::Handle(handle) => handle.len(),
            Self::Blocks(blocks) => blocks.borrow_mut().len(),
        }
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.set_len(len),
            Self::Blocks(blocks) => blocks.borrow_mut().set_len(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use virtarium_machine::host::{BlockRequest, Submitted, Token};

    use super::*;
    use crate::disk::{Base, Disk};

    fn disk(storage: Storage) -> Disk {
        let base = Base::zeros(f64::from(1 << 20)).ok().unwrap();
        Disk::open(storage, base, 0).ok().unwrap()
    }

    #[test]
    fn next_machine_finds_in_memory_what_the_last_one_left_there() {
        let memory = Storage::memory(false);
        let again = || memory.again().unwrap();
        let data = vec![7; 512];
        let mut first = disk(again());
        let write = BlockRequest::Write {
            sector: 3,
            data: data.clone(),
        };
        for request in [write, BlockRequest::Flush] {
            let done = first.0.submit(Token(1), &request);
            assert!(matches!(done, Submitted::Done(Ok(_))), "{done:?}");
        }
        drop(first);
        let read = BlockRequest::Read {
            sector: 3,
            len: 512,
        };
        let done = disk(again()).0.submit(Token(2), &read);
        assert_eq!(done, Submitted::Done(Ok(data)));
        // And whoever has it can read it, from anywhere.
        let (mut memory, mut file) = (again(), Vec::new());
        loop {
            let piece = memory.read(file.len() as f64, 100_003);
            if piece.is_empty() {
                break;
            }
            file.extend(piece);
        }
        assert_eq!(Some(file.len() as u64), memory.0.len().ok());
        assert!(file.starts_with(b"VTROVL"));
        assert!(memory.read(1e18, 1).is_empty());
    }
}
