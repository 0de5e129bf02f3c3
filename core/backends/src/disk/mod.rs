//! Disks: what a block request means for bytes that an embedder keeps.
//!
//! Sans-I/O: the embedder hands in a [`Store`] (a file, a browser's storage handle, memory) and a
//! [`Base`] (an image that is only read), or the chunks of one as they arrive ([`Streamed`]);
//! everything between them and a [`BlockRequest`](virtarium_machine::host::BlockRequest) is here.

pub mod chunks;
mod mem;
pub mod overlay;
mod store;
pub mod stream;

pub use chunks::{ChunkBase, Manifest};
pub use mem::{MemBase, MemStore, NoBase};
pub use overlay::{Overlay, OverlayOptions};
pub use store::{Base, BaseId, Store, StoreError};
pub use stream::Streamed;
