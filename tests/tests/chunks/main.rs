//! Images in chunks: manifests from anywhere, and a disk that is used while its image arrives.
//!
//! `VIRTARIUM_SEED` repeats a run; `VIRTARIUM_SOAK=1` takes more cases.

mod golden;
mod hostile;
mod images;
mod model;
mod streamed;
