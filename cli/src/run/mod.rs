//! `virtarium run`: a machine from its settings, and the loop around it.

pub mod back;
pub mod console;
pub mod end;
pub mod engine;
pub mod guest;

#[cfg(test)]
mod tests;
