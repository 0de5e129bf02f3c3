//! What the module offers to whoever instantiates it. One session an instance.
#![allow(
    unsafe_code,
    reason = "a name in the module's list of exports is a promise that it is the only one"
)]

use std::cell::RefCell;

use virtarium_machine::machine::Digest;

use crate::{Case, Session};

#[derive(Default)]
struct Module {
    session: Option<Session>,
    /// A case on its way in; then text on its way out.
    buffer: Vec<u8>,
    digest: Option<Digest>,
}

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

fn with<R>(call: impl FnOnce(&mut Module) -> R) -> R {
    MODULE.with(|module| call(&mut module.borrow_mut()))
}

/// Makes room for a case of `len` bytes; the caller writes it there and calls [`start`].
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    with(|module| {
        module.buffer = vec![0; len];
        module.buffer.as_mut_ptr()
    })
}

/// Builds the machine. Not 0: it cannot be built, and [`text`] says why.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn start() -> u32 {
    with(|module| {
        let bytes = std::mem::take(&mut module.buffer);
        let session = Case::decode(&bytes).and_then(|case| Session::new(&case));
        let (session, problem) = match session {
            Ok(session) => (Some(session), None),
            Err(problem) => (None, Some(problem)),
        };
        module.session = session;
        let failed = u32::from(problem.is_some());
        module.buffer = problem.unwrap_or_default().into_bytes();
        failed
    })
}

/// Runs to an instruction count: [`crate::End`] as a number.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn run_to(count: u64) -> u64 {
    with(|module| {
        let session = module.session.as_mut();
        session.map_or(u64::MAX, |session| session.run_to(count).to_number())
    })
}

/// Instructions so far.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn instructions() -> u64 {
    with(|module| {
        let session = module.session.as_ref();
        session.map_or(u64::MAX, |session| session.machine.instructions())
    })
}

/// The digest of the machine's state: 32 bytes, valid until the next call.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn digest() -> *const u8 {
    with(|module| {
        let digest = module
            .session
            .as_mut()
            .map(|session| session.machine.digest());
        module.digest = digest;
        module
            .digest
            .as_ref()
            .map_or(std::ptr::null(), |digest| digest.0.as_ptr())
    })
}

/// Fetches what was printed since the last call; returns its length. [`text`] is where.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn printed() -> usize {
    with(|module| {
        let session = module.session.as_mut();
        module.buffer = session.map_or_else(Vec::new, |session| {
            std::mem::take(&mut session.host.printed)
        });
        module.buffer.len()
    })
}

/// Where the text of the last call is.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> *const u8 {
    with(|module| module.buffer.as_ptr())
}

/// The length of the text of the last call.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn text_len() -> usize {
    with(|module| module.buffer.len())
}
