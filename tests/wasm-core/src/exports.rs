//! What the module offers to whoever instantiates it. One session an instance.
#![allow(
    unsafe_code,
    reason = "a name in the module's list of exports is a promise that it is the only one"
)]

use std::cell::RefCell;

use virtarium_machine::machine::Digest;

use crate::{Case, Engine, Session, Streamed};

#[derive(Default)]
struct Module {
    session: Option<Box<dyn Engine>>,
    /// A case or a chunk on its way in; text on its way out.
    buffer: Vec<u8>,
    digest: Option<Digest>,
}

impl Module {
    /// Keeps what went wrong as text; not 0 if something did.
    fn tell(&mut self, result: Result<(), String>) -> u32 {
        let failed = u32::from(result.is_err());
        self.buffer = result.err().unwrap_or_default().into_bytes();
        failed
    }
}

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

fn with<R>(call: impl FnOnce(&mut Module) -> R) -> R {
    MODULE.with(|module| call(&mut module.borrow_mut()))
}

/// Makes room for a case or a chunk of `len` bytes; the caller writes it there and calls [`start`]
/// or [`arrived`].
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
        let session = Case::decode(&bytes).and_then(|case| open(&case));
        let opened = session.map(|session| module.session = Some(session));
        module.tell(opened)
    })
}

fn open(case: &Case) -> Result<Box<dyn Engine>, String> {
    Ok(match case.manifest {
        Some(_) => Box::new(Streamed::streamed(case)?),
        None => Box::new(Session::new(case)?),
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
        let session = module.session.as_mut();
        session.map_or(u64::MAX, |session| session.instructions())
    })
}

/// The digest of the machine's state: 32 bytes, valid until the next call.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn digest() -> *const u8 {
    with(|module| {
        module.digest = module.session.as_mut().map(|session| session.digest());
        module
            .digest
            .as_ref()
            .map_or(std::ptr::null(), |digest| digest.0.as_ptr())
    })
}

/// The next chunk that the disk asks for; -1 if there is none for now.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn next_fetch() -> i64 {
    with(|module| {
        let session = module.session.as_mut();
        let index = session.and_then(|session| session.next_fetch());
        index.map_or(-1, i64::from)
    })
}

/// The chunk has come, to where [`reserve`] said. Not 0: it is a wrong one, and [`text`] says how.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn arrived(index: u32) -> u32 {
    with(|module| {
        let raw = std::mem::take(&mut module.buffer);
        let session = module.session.as_mut().ok_or("there is no session");
        let taken = session.map_err(str::to_owned);
        let taken = taken.and_then(|session| session.arrived(index, raw));
        module.tell(taken)
    })
}

/// Fetches what was printed since the last call; returns its length. [`text`] is where.
// SAFETY: no other function of the module has this name.
#[unsafe(no_mangle)]
pub extern "C" fn printed() -> usize {
    with(|module| {
        let session = module.session.as_mut();
        module.buffer = session.map_or_else(Vec::new, |session| session.printed());
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
