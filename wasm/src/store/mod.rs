//! Where a disk's changes are kept.

use std::cell::RefCell;
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
    /// Memory, with account of what changed for whoever writes it to a database.
    Logged(Blocks),
    /// Memory, which the next machine may be given.
    Shared(Rc<RefCell<Blocks>>),
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
        let blocks = Blocks::new(logged);
        Self(match logged {
            true => Place::Logged(blocks),
            false => Place::Shared(Rc::new(RefCell::new(blocks))),
        })
    }

    /// Memory that is not logged, once more: for the machine that comes after the one that has it.
    /// Nothing where it is another place.
    #[must_use]
    pub fn again(&self) -> Option<Storage> {
        match &self.0 {
            Place::Shared(blocks) => Some(Self(Place::Shared(Rc::clone(blocks)))),
            _ => None,
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
        self.0.restore(|blocks| blocks.restore(number, bytes));
    }

    /// Sets the length in bytes of memory that was written to the database.
    #[wasm_bindgen(js_name = restoreLength)]
    pub fn restore_length(&mut self, length: f64) {
        self.0
            .restore(|blocks| blocks.restore_length(length as u64));
    }
}

impl Place {
    /// The blocks of a logged store.
    pub(crate) fn logged(&mut self) -> Option<&mut Blocks> {
        match self {
            Self::Logged(blocks) => Some(blocks),
            _ => None,
        }
    }

    fn restore(&mut self, put: impl FnOnce(&mut Blocks)) {
        match self {
            Self::Handle(_) => {}
            Self::Logged(blocks) => put(blocks),
            Self::Shared(blocks) => put(&mut blocks.borrow_mut()),
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
            Self::Logged(_) | Self::Shared(_) => Refusal::default(),
        }
    }
}

impl Store for Place {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.read(at, buf),
            Self::Logged(blocks) => blocks.read(at, buf),
            Self::Shared(blocks) => blocks.borrow_mut().read(at, buf),
        }
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.write(at, data),
            Self::Logged(blocks) => blocks.write(at, data),
            Self::Shared(blocks) => blocks.borrow_mut().write(at, data),
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.flush(),
            Self::Logged(blocks) => blocks.flush(),
            Self::Shared(blocks) => blocks.borrow_mut().flush(),
        }
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        match self {
            Self::Handle(handle) => handle.len(),
            Self::Logged(blocks) => blocks.len(),
            Self::Shared(blocks) => blocks.borrow_mut().len(),
        }
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        match self {
            Self::Handle(handle) => handle.set_len(len),
            Self::Logged(blocks) => blocks.set_len(len),
            Self::Shared(blocks) => blocks.borrow_mut().set_len(len),
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
        // The blocks of a database are its own.
        assert!(Storage::memory(true).again().is_none());
    }
}
