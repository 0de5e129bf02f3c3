//! What the test targets of this package share.

pub mod asm;
pub mod crash;
pub mod ext4;
pub mod fuzz;
pub mod guest;
pub mod notes;
pub mod programs;
pub mod random;
pub mod randoms;
pub mod translator;
