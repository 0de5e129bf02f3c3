//! Disks: what a block request means for bytes that an embedder keeps.
//!
//! Sans-I/O: the embedder hands in a [`Store`] (a file, a browser's storage handle, memory) and a
//! [`Base`] (an image that is only read); everything between them and a
//! [`BlockRequest`](virtarium_machine::host::BlockRequest) is here.

mod mem;
pub mod overlay;
mod store;

pub use mem::{MemBase, MemStore, NoBase};
pub use overlay::{Overlay, OverlayOptions};
pub use store::{Base, BaseId, Store, StoreError};
