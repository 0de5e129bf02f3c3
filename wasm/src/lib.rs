//! The machine in a browser: what a dedicated worker calls.
//!
//! Nothing here decides anything. The worker's JavaScript fetches, keeps time and takes locks; the
//! core computes; this crate carries bytes between the two, and lends the core its storage: a
//! synchronous handle of the origin's private file system, or memory whose changes the worker
//! writes to a database.
//!
//! A panic ends the instance: what [`on_panic`] was given is called with the message, the call that
//! panicked throws a `WebAssembly.RuntimeError`, and the worker must drop the instance.

mod disk;
mod error;
mod export;
mod host;
mod machine;
mod options;
mod panic;
mod store;

use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;

pub use disk::{Base, Disk};
pub use machine::{Machine, Stop};
pub use options::MachineOptions;
pub use panic::on_panic;
pub use store::Storage;

/// The program's version.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// SHA-256 of the bytes, in hexadecimal: `crypto.subtle` is missing where a page is not secure.
#[wasm_bindgen]
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use core::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // A string takes all.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn hash_is_that_of_the_standard() {
        // FIPS 180-4, the example of one block.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(super::sha256(b"abc"), expected);
    }
}
