//! The `virtarium` command.
fn main() {}
