//! Crashes at the host file under a disk: recorded once, then imagined as often as wanted.
//!
//! ```
//! use virtarium_backends::disk::{MemStore, NoBase, Overlay, OverlayOptions};
//! use virtarium_machine::host::BlockRequest;
//! use virtarium_tests::crash::Recorder;
//!
//! let options = OverlayOptions { size: Some(1 << 20), ..OverlayOptions::default() };
//! let mut disk = Overlay::create(Recorder::new(MemStore::default())?, NoBase, &options)?;
//! disk.execute(&BlockRequest::Write { sector: 1, data: vec![1; 512] }).unwrap();
//! disk.flush()?;
//! disk.store_mut().mark(1); // From here on the test may rely on that write.
//! disk.execute(&BlockRequest::Write { sector: 1, data: vec![2; 512] }).unwrap();
//!
//! let log = disk.into_store().into_log();
//! for image in log.crashes(/* seed */ 7, /* count */ 50) {
//!     let Ok(mut disk) = Overlay::open(MemStore::new(image.bytes), NoBase) else {
//!         assert_eq!(image.mark, None, "only its creation may have been cut short");
//!         continue;
//!     };
//!     let mut sector = [0; 512];
//!     disk.read_at(512, &mut sector)?;
//!     assert!(image.mark.is_none() || sector[0] != 0, "{}", image.what);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The model of a crash: each write since the last flush that completed, and of each write each
//! block of 512 bytes (aligned in the file), is there or not, whatever the order; of blocks
//! written twice the older may be there without the newer, never the newer below the older. A
//! change of length is there or not. What was flushed is there.

mod faulty;
mod images;
mod recorder;

pub use faulty::{Fault, Faulty};
pub use images::{CrashImage, Crashes, EveryCrash};
pub use recorder::{Event, Log, Recorder};
