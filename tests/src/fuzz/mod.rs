//! Bodies of the fuzz targets: each takes bytes and must neither panic nor run away.

mod loaders;
mod mmio;
mod overlay;
mod virtio;

pub use loaders::{fuzz_kernel, kernel_samples};
pub use mmio::fuzz_mmio;
pub use overlay::{fuzz_overlay, seal_overlay};
pub use virtio::fuzz_virtio_mmio;
