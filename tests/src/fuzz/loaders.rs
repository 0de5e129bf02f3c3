//! Kernels, firmware, device trees and other files to start with, from anywhere.

use virtarium_machine::boot::{Boot, BootInputs, Firmware, Plan, StartMode, plan};
use virtarium_machine::fdt::{Mmu, Node, Tree};
use virtarium_machine::map::RESET_VECTOR;
use virtarium_machine::mem::RAM_BASE;

/// Small, so that unpacking to its limit takes milliseconds.
const RAM: u64 = 8 << 20;

/// Plans a machine from the bytes, and checks what every plan promises.
///
/// The first byte says what the rest is: a kernel in S-mode or M-mode, firmware, a device tree, a
/// file to load at an address, or a kernel with an initrd.
///
/// # Panics
/// Where a plan breaks its promise.
pub fn fuzz_kernel(data: &[u8]) {
    let Some((role, rest)) = data.split_first() else {
        return;
    };
    let file = rest.to_vec();
    let mut boot = Boot::default();
    match role % 6 {
        0 => boot.kernel = Some(file),
        1 => {
            boot.kernel = Some(file);
            boot.firmware = Firmware::None;
        }
        2 => boot.firmware = Firmware::Image(file),
        3 => {
            boot.kernel = Some(raw(64));
            boot.dtb = Some(file);
            boot.append = "quiet".into();
        }
        4 => {
            let (at, file) = rest.split_at(rest.len().min(8));
            let at = at
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte));
            boot.firmware = Firmware::Image(raw(64));
            boot.loads = vec![(at, file.to_vec()), (RAM_BASE + 0x20_0000, raw(64))];
        }
        _ => {
            let half = rest.len() / 2;
            boot.kernel = Some(rest[..half].to_vec());
            boot.initrd = Some(rest[half..].to_vec());
        }
    }
    let inputs = BootInputs {
        boot: &boot,
        ram_size: RAM,
        harts: 2,
        extensions: &["i", "m", "a", "zicboz"],
        mmu: Mmu::Sv39,
        rng_seed: [3; 32],
    };
    match plan(&inputs) {
        Ok(plan) => check(&plan),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check(plan: &Plan<'_>) {
    let mut ranges = Vec::new();
    for segment in &plan.segments {
        let load = &segment.load;
        assert!(load.bytes.len() as u64 <= load.memory_size);
        assert!(load.at >= RAM_BASE && load.memory_size <= RAM);
        assert!(load.at - RAM_BASE <= RAM - load.memory_size);
        ranges.push((load.at, load.at + load.memory_size));
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{pair:x?}");
    }
    match plan.mode {
        StartMode::Machine => assert_eq!(plan.entry, RESET_VECTOR.0),
        StartMode::Supervisor => assert!(plan.entry >= RAM_BASE),
    }
    let tree = plan
        .segments
        .iter()
        .find(|segment| segment.load.at == plan.dtb)
        .expect("the device tree is in memory");
    let tree = Tree::parse(&tree.load.bytes).expect("the device tree is sound");
    assert!(tree.root.find("chosen").is_some());
}

/// Machine code of this length.
fn raw(len: usize) -> Vec<u8> {
    vec![0x13; len]
}

/// A sound file of each kind, to be damaged: the first byte is the role that
/// [`fuzz_kernel`] gives it.
#[must_use]
pub fn kernel_samples() -> Vec<Vec<u8>> {
    let image = image();
    let elf = elf();
    let tree = Tree {
        root: Node::new("")
            .cells("#address-cells", &[2])
            .node(Node::new("chosen").string("bootargs", "x"))
            .node(Node::new("memory@80000000").cells64("reg", &[RAM_BASE, RAM])),
        reserved: vec![(RAM_BASE, 4096)],
        boot_hart: 0,
    }
    .to_blob();
    let zboot = zboot(&gzip(&image));
    let with_role = |role: u8, file: &[u8]| [&[role], file].concat();
    vec![
        with_role(0, &image),
        with_role(1, &elf),
        with_role(0, &gzip(&image)),
        with_role(0, &zstd(&image)),
        with_role(0, &zstd(&gzip(&elf))),
        with_role(0, &zboot),
        with_role(2, &elf),
        with_role(3, &tree),
        [&[4][..], &(RAM_BASE + 0x1000).to_be_bytes(), &elf].concat(),
        with_role(5, &[image.clone(), image].concat()),
    ]
}

fn image() -> Vec<u8> {
    let mut image = raw(128);
    image[..64].fill(0);
    image[8..16].copy_from_slice(&0x20_0000u64.to_le_bytes());
    image[16..24].copy_from_slice(&0x1000u64.to_le_bytes());
    image[56..60].copy_from_slice(b"RSC\x05");
    image
}

/// Two segments, and a symbol table with `tohost`.
fn elf() -> Vec<u8> {
    let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xf3\0\x01\0\0\0");
    for word in [RAM_BASE, 64, 232] {
        file.extend(u64::to_le_bytes(word));
    }
    file.extend([0; 4]);
    for half in [64, 56, 2, 64, 3, 0] {
        file.extend(u16::to_le_bytes(half));
    }
    for (offset, at, bytes, memory) in [(176, RAM_BASE, 8, 8), (184, RAM_BASE + 0x1000, 0, 64)] {
        file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
        for word in [offset, at, at, bytes, memory, 4096] {
            file.extend(u64::to_le_bytes(word));
        }
    }
    file.extend([0x13; 8]);
    file.extend(*b"tohost\0\0\0\0\0\0\0\0\0\0");
    file.extend([0, 0, 0, 0, 0x10, 0, 1, 0]);
    file.extend((RAM_BASE + 0x1000).to_le_bytes());
    file.extend([0; 8]);
    file.extend([0; 8]);
    file.extend([0; 64]);
    for (kind, at, size, link) in [(3u32, 184u64, 16u64, 0u32), (2, 200, 24, 1)] {
        file.extend([0; 4]);
        file.extend(kind.to_le_bytes());
        file.extend([0; 16]);
        file.extend(at.to_le_bytes());
        file.extend(size.to_le_bytes());
        file.extend(link.to_le_bytes());
        file.extend([0; 20]);
    }
    file
}

/// RFC 1952 around one stored block, so that damage reaches what is inside.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1];
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend(bytes);
    let crc = !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 0 { 0 } else { 0xedb8_8320 }
        })
    });
    out.extend(crc.to_le_bytes());
    out.extend(u32::from(len).to_le_bytes());
    out
}

/// RFC 8878: one raw block in a single segment, without a checksum.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u32;
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    out.extend(len.to_le_bytes());
    out.extend(&(len << 3 | 1).to_le_bytes()[..3]);
    out.extend(bytes);
    out
}

fn zboot(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 64];
    out[..8].copy_from_slice(b"MZ\0\0zimg");
    out[8..12].copy_from_slice(&64u32.to_le_bytes());
    out[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[24..28].copy_from_slice(b"gzip");
    out.extend(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sound() {
        for sample in kernel_samples() {
            let boot = match sample[0] {
                0 | 1 => Boot {
                    kernel: Some(sample[1..].to_vec()),
                    firmware: if sample[0] == 1 {
                        Firmware::None
                    } else {
                        Firmware::BuiltIn
                    },
                    ..Boot::default()
                },
                _ => continue,
            };
            let inputs = BootInputs {
                boot: &boot,
                ram_size: RAM,
                harts: 1,
                extensions: &["i"],
                mmu: Mmu::Sv39,
                rng_seed: [0; 32],
            };
            let plan = plan(&inputs).expect("sound");
            check(&plan);
            let is_elf = plan.segments[0].load.memory_size == 8;
            assert_eq!(plan.symbols.tohost.is_some(), is_elf);
        }
    }
}
