//! Base extension, chapter 4.

use super::{Answer, Call, Error, is_supported};

/// Version 3.0: major in bits 30 to 24, minor below.
const SPECIFICATION: u64 = 3 << 24;
/// Not one of the registered implementations: "VIRT" in ASCII.
const IMPLEMENTATION: u64 = 0x5649_5254;
const IMPLEMENTATION_VERSION: u64 = 1;

pub(super) fn call(call: &Call) -> Answer {
    match call.function {
        0 => Ok(SPECIFICATION),
        1 => Ok(IMPLEMENTATION),
        2 => Ok(IMPLEMENTATION_VERSION),
        3 => Ok(is_supported(call.arguments[0] as i32).into()),
        // mvendorid, marchid, mimpid: not registered.
        4..=6 => Ok(0),
        _ => Err(Error::NotSupported),
    }
}
