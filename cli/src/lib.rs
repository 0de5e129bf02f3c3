//! The machine in a terminal.
