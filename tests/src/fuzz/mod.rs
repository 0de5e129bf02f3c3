//! Bodies of the fuzz targets: each takes bytes and must neither panic nor run away.

mod decode;
mod loaders;
mod manifest;
mod mmio;
mod overlay;
mod virtio;

pub use decode::fuzz_decode;
pub use loaders::{fuzz_kernel, kernel_samples};
pub use manifest::fuzz_manifest;
pub use mmio::fuzz_mmio;
pub use overlay::{fuzz_overlay, seal_overlay};
pub use virtio::fuzz_virtio_mmio;
