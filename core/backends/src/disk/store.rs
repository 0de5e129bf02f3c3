//! What an embedder implements for a disk: one file to keep things in, one image to read from.

use core::fmt;

/// Why a [`Store`] or a [`Base`] did not do as it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The host could not read, write or flush; or a read reached beyond the end.
    Io,
    /// The host has no space left, or a quota is used up.
    NoSpace,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "the host could not read, write or flush",
            Self::NoSpace => "the host has no space left",
        })
    }
}

impl core::error::Error for StoreError {}

/// One file with random access: a file natively, a synchronous access handle in the browser.
///
/// The embedder sees to it that nobody else has the file open (a lock): two writers of one
/// store destroy it, and nothing here can notice.
///
/// What is asked of durability: a write or a change of length is stable once a [`Store::flush`]
/// that began after it has returned `Ok`. Until then a crash may keep or lose each aligned
/// 512-byte block of it, in any order; such a block itself is never a mixture.
pub trait Store {
    /// Fills `buf` from byte `at`.
    ///
    /// # Errors
    /// [`StoreError::Io`] also where the range reaches beyond the end; `buf` is then unspecified.
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError>;

    /// Writes all of `data` from byte `at`, growing the store where needed (a gap reads as zero).
    ///
    /// # Errors
    /// Whatever part of `data` has been written by then.
    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError>;

    /// Makes everything written so far stable, the length included.
    ///
    /// # Errors
    /// After one, nothing is known about the writes since the last flush that succeeded.
    fn flush(&mut self) -> Result<(), StoreError>;

    /// The length in bytes.
    ///
    /// # Errors
    /// Where the host does not say.
    fn len(&mut self) -> Result<u64, StoreError>;

    /// Whether the length is 0.
    ///
    /// # Errors
    /// Those of [`Store::len`].
    fn is_empty(&mut self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends to `len` bytes; what is added reads as zero.
    ///
    /// # Errors
    /// The length is then as it was.
    fn set_len(&mut self, len: u64) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for &mut S {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        (**self).read(at, buf)
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        (**self).write(at, data)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        (**self).flush()
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        (**self).len()
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        (**self).set_len(len)
    }
}

/// Says which image a base is: a hash of its content, or of a manifest that names its content.
///
/// Two bases with the same identity and length must hold the same bytes, for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BaseId(pub [u8; 32]);

impl fmt::Display for BaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An image that is only read and never changes.
pub trait Base {
    /// Which image this is.
    fn id(&self) -> BaseId;

    /// Its length in bytes, of any alignment.
    fn size(&self) -> u64;

    /// Fills `buf` from byte `at`; the range lies within [`Base::size`].
    ///
    /// # Errors
    /// Where the host cannot read.
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError>;
}

impl<B: Base + ?Sized> Base for &mut B {
    fn id(&self) -> BaseId {
        (**self).id()
    }

    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        (**self).read(at, buf)
    }
}
