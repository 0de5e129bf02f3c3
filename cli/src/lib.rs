//! The machine in a terminal.

pub mod image;
