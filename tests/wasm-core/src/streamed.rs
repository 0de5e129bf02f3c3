//! A disk that comes in chunks.

use virtarium_backends::disk::{self, Manifest, MemStore, OverlayOptions};
use virtarium_machine::host::{BlockError, BlockRequest, ConsoleId, Host, Submitted, Token};

use crate::engine::CaseHost;
use crate::{Case, Session};

/// Bytes of chunks that are kept: fewer than a case reads, so that some have to come again.
const CACHE: u64 = 512 << 10;

/// A disk whose chunks come later, under an overlay in memory; and what was printed.
pub struct StreamedHost {
    disk: disk::Streamed<MemStore>,
    printed: Vec<u8>,
}

/// A session whose disk comes in chunks.
pub type Streamed = Session<StreamedHost>;

impl Streamed {
    /// Builds the machine of a case that has a manifest, and switches it on.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the manifest.
    pub fn streamed(case: &Case) -> Result<Self, String> {
        let text = case.manifest.as_deref().ok_or("the case has no manifest")?;
        let manifest = Manifest::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let options = OverlayOptions::default();
        let disk = disk::Streamed::create(MemStore::default(), manifest, &options, CACHE);
        let host = StreamedHost {
            disk: disk.map_err(|error| error.to_string())?,
            printed: Vec::new(),
        };
        Self::with(case, host)
    }
}

impl Host for StreamedHost {
    fn block(&mut self, number: usize, token: Token, request: &BlockRequest) -> Submitted {
        match number {
            0 => self.disk.submit(token, request),
            _ => Submitted::Done(Err(BlockError::Io)),
        }
    }

    fn abandon(&mut self, token: Token) {
        self.disk.abandon(token);
    }

    fn console(&mut self, _: ConsoleId, bytes: &[u8]) {
        self.printed.extend(bytes);
    }
}

impl CaseHost for StreamedHost {
    fn take_printed(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.printed)
    }

    fn next_fetch(&mut self) -> Option<u32> {
        self.disk.next_fetch()
    }

    fn arrived(session: &mut Session<Self>, index: u32, raw: Vec<u8>) -> Result<(), String> {
        let disk = &mut session.host.disk;
        let arrived = disk.arrived(index, raw);
        for (token, result) in disk.take_completed() {
            session.machine.complete(token, result);
        }
        arrived.map_err(|error| error.to_string())
    }
}
