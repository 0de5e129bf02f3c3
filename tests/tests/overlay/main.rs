//! The copy-on-write overlay: what it promises about crashes, faults of the host, and files from
//! anywhere.
//!
//! `VIRTARIUM_SOAK=1` checks 10,000 crash states (`VIRTARIUM_CRASHES` sets another number),
//! `VIRTARIUM_SEED` repeats a run.

mod crashes;
mod golden;
mod host;
mod hostile;
mod model;
