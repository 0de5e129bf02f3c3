//! `cargo xtask`: the one tool of this repository.
fn main() {}
