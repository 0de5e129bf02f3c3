//! What can be asked of a case that runs, wherever it does.

use virtarium_machine::host::Host;
use virtarium_machine::machine::Digest;

use crate::{End, MemoryHost, Session};

/// A case that runs: natively, or in wasm.
pub trait Engine {
    /// Runs up to an instruction count, or to what comes first.
    fn run_to(&mut self, count: u64) -> End;

    /// Instructions so far.
    fn instructions(&mut self) -> u64;

    /// The digest of the machine's state.
    fn digest(&mut self) -> Digest;

    /// What was printed since the last call.
    fn printed(&mut self) -> Vec<u8>;

    /// The next chunk that somebody is to bring, if its disk comes in chunks.
    fn next_fetch(&mut self) -> Option<u32>;

    /// Somebody brings a chunk.
    ///
    /// # Errors
    /// What is wrong with it. It is to be brought again.
    fn arrived(&mut self, index: u32, raw: Vec<u8>) -> Result<(), String>;
}

/// What a [`Session`] needs of its host to be an [`Engine`].
pub trait CaseHost: Host + Sized {
    /// Takes what was printed.
    fn take_printed(&mut self) -> Vec<u8>;

    /// [`Engine::next_fetch`]
    fn next_fetch(&mut self) -> Option<u32> {
        None
    }

    /// [`Engine::arrived`], with the machine whose requests may be done then.
    ///
    /// # Errors
    /// Those of [`Engine::arrived`].
    fn arrived(session: &mut Session<Self>, index: u32, raw: Vec<u8>) -> Result<(), String> {
        let _ = (session, raw);
        Err(format!("nobody waits for chunk {index}: the disk is whole"))
    }
}

impl CaseHost for MemoryHost {
    fn take_printed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.printed)
    }
}

impl<H: CaseHost> Engine for Session<H> {
    fn run_to(&mut self, count: u64) -> End {
        Self::run_to(self, count)
    }

    fn instructions(&mut self) -> u64 {
        self.machine.instructions()
    }

    fn digest(&mut self) -> Digest {
        self.machine.digest()
    }

    fn printed(&mut self) -> Vec<u8> {
        self.host.take_printed()
    }

    fn next_fetch(&mut self) -> Option<u32> {
        self.host.next_fetch()
    }

    fn arrived(&mut self, index: u32, raw: Vec<u8>) -> Result<(), String> {
        H::arrived(self, index, raw)
    }
}
