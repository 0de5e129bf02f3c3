//! What `--version` says.

/// The version of the release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version, the commit it was built from if that is known, the target and the features.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("VIRTARIUM_COMMIT"),
    ")\ntarget: ",
    env!("VIRTARIUM_TARGET"),
    "\nmachine: riscv64, board virt, virtio-mmio block, console, entropy",
    "\nfeatures: ",
    env!("VIRTARIUM_FEATURES"),
);
