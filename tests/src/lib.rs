//! What the test targets of this package share.

pub mod crash;
pub mod fuzz;
pub mod notes;
pub mod random;
pub mod randoms;
