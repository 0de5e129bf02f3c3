//! A file of the origin's private file system, through its synchronous handle.

use std::cell::Cell;
use std::rc::Rc;

use virtarium_backends::disk::{Store, StoreError};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DomException, FileSystemReadWriteOptions, FileSystemSyncAccessHandle};

/// Offsets are doubles: what lies beyond cannot be named.
const MOST: u64 = 1 << 53;

/// What the host said when it last refused, in its words; shared with whoever reports it.
pub(crate) type Refusal = Rc<Cell<Option<String>>>;

/// The handle, closed when it is dropped. Without one (a page that sleeps lets go of it) every
/// access fails.
pub(crate) struct Handle {
    handle: Option<FileSystemSyncAccessHandle>,
    refusal: Refusal,
}

impl Handle {
    pub(crate) fn new(handle: FileSystemSyncAccessHandle) -> Self {
        Self {
            handle: Some(handle),
            refusal: Refusal::default(),
        }
    }

    /// Closes the handle.
    pub(crate) fn detach(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.close();
        }
    }

    /// Goes on with another handle of the same, unchanged file.
    pub(crate) fn attach(&mut self, handle: FileSystemSyncAccessHandle) {
        self.detach();
        self.handle = Some(handle);
    }

    /// Calls the handle, and keeps what it says if it refuses.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&FileSystemSyncAccessHandle) -> Result<T, JsValue>,
    ) -> Result<T, StoreError> {
        let handle = self.handle.as_ref().ok_or(StoreError::Io)?;
        let result = call(handle);
        self.done(result)
    }

    pub(crate) fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    fn done<T>(&mut self, result: Result<T, JsValue>) -> Result<T, StoreError> {
        result.map_err(|error| {
            let exception = error.dyn_ref::<DomException>();
            self.refusal.set(Some(match exception {
                Some(exception) => format!("{}: {}", exception.name(), exception.message()),
                None => format!("{error:?}"),
            }));
            match exception {
                // Firefox says it of a full disk as well.
                Some(exception) if exception.name() == "QuotaExceededError" => StoreError::NoSpace,
                _ => StoreError::Io,
            }
        })
    }
}

fn at(byte: u64) -> Result<FileSystemReadWriteOptions, StoreError> {
    if byte >= MOST {
        return Err(StoreError::NoSpace);
    }
    let options = FileSystemReadWriteOptions::new();
    options.set_at(byte as f64);
    Ok(options)
}

impl Store for Handle {
    fn read(&mut self, byte: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let mut done = 0;
        while done < buf.len() {
            let options = at(byte + done as u64)?;
            let rest = buf.get_mut(done..).ok_or(StoreError::Io)?;
            let read = self.call(|handle| handle.read_with_u8_array_and_options(rest, &options));
            match read? as usize {
                // The range reaches beyond the end.
                0 => return Err(StoreError::Io),
                read => done += read,
            }
        }
        Ok(())
    }

    fn write(&mut self, byte: u64, data: &[u8]) -> Result<(), StoreError> {
        let mut done = 0;
        while done < data.len() {
            let options = at(byte + done as u64)?;
            let rest = data.get(done..).ok_or(StoreError::Io)?;
            let written =
                self.call(|handle| handle.write_with_u8_array_and_options(rest, &options));
            match written? as usize {
                // A host that takes nothing and does not say why has no room.
                0 => return Err(StoreError::NoSpace),
                written => done += written,
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.call(FileSystemSyncAccessHandle::flush)
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        let len = self.call(FileSystemSyncAccessHandle::get_size)?;
        Ok(len as u64)
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        if len >= MOST {
            return Err(StoreError::NoSpace);
        }
        self.call(|handle| handle.truncate_with_f64(len as f64))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Lets go of the lock, so that another tab may open the file.
        self.detach();
    }
}
