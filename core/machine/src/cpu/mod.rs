//! A hart's privileged architecture: CSRs, traps, interrupts, counters.
//!
//! Registers `x` and `f` lie in the arena; everything else that a hart holds is [`Hart`], plain
//! data that is hashed and saved as it stands. Operations that change what faster caches were
//! filled under return [`Effects`], which whoever runs the hart carries out.
//!
//! Section numbers here and in `mmu` are those of the privileged architecture, version 20250508;
//! extensions that are chapters of their own are cited by name.

mod address;
pub mod config;
mod counters;
mod csr;
pub mod csr_table;
mod effects;
mod interrupt;
mod state;
pub mod status;
mod trap;

pub use config::{AdUpdate, IsaConfig};
pub use csr::{CsrContext, CsrOp, FLOAT_CSRS, Illegal};
pub use effects::Effects;
pub use interrupt::Interrupt;
pub use state::{Csrs, Hart, Privilege, Reservation};
pub use trap::{Cause, Exception};
