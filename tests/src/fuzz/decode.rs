//! Any bits as instructions.

use virtarium_machine::isa::decode::{hint, length};
use virtarium_machine::isa::disassemble::disassemble;
use virtarium_machine::isa::{decode, encode};

/// Decodes, shows and encodes what every four bytes are. An instruction that is encoded again
/// is the same instruction.
pub fn fuzz_decode(data: &[u8]) {
    for (index, bytes) in data.chunks_exact(4).enumerate() {
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let inst = decode(word);
        let pc = (index as u64).wrapping_mul(u64::from(word) << 31);
        assert!(!disassemble(pc, word).is_empty(), "{word:#010x}");
        assert!(matches!(length(word), 2 | 4), "{word:#010x}");
        let _ = hint(word);
        if inst.row().is_some() {
            let again = encode(&inst);
            assert_eq!(again.map(decode), Some(inst), "{word:#010x}");
        }
    }
}
