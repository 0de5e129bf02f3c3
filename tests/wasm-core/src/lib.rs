//! One case, run by the same code natively and in wasm.
//!
//! A [`Case`] is a machine and its disk as plain data, with an encoding that carries it into the
//! wasm module. A [`Session`] builds and runs it; where its disk comes in chunks, a [`Streamed`]
//! one. [`Engine`] is what both, and the module, can be asked for. Built for wasm32 this crate is the module, whose
//! exports are in `exports`; a test natively links it as a library.

pub mod case;
pub mod engine;
#[cfg(target_arch = "wasm32")]
mod exports;
pub mod session;
pub mod streamed;

pub use case::Case;
pub use engine::Engine;
pub use session::{End, MemoryHost, Session};
pub use streamed::{Streamed, StreamedHost};
