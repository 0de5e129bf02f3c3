//! The machine in a terminal: the commands of `virtarium` and the host's side of its devices.

pub mod app;
pub mod args;
pub mod expect;
mod gdb;
pub mod host;
pub mod image;
pub mod qemu;
pub mod run;
pub mod serve;
pub mod settings;
pub mod site;
pub mod suite;
mod version;
