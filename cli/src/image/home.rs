//! The empty file system that the initramfs writes to a blank disk (`guest/images/busybox/home`):
//! ext4 with a journal, so that a machine that is killed needs no check.
//!
//! Only the beginning is in the initramfs, so that it stays small: a blank disk has the rest.
//! There are no checksums of metadata: the one of the superblock would be over two sectors, and a
//! disk keeps single ones whole (`docs/disk-format.md`). Names, numbers and offsets are those of
//! the Linux kernel's documentation, `filesystems/ext4`.

/// Bytes of a block.
const BLOCK: usize = 4096;
/// Blocks of the file system: 64 MiB, one group.
const BLOCKS: u32 = 16_384;
const BLOCKS_PER_GROUP: u32 = 32_768;
/// One for every four blocks.
const INODES: u32 = 4096;
const INODE_SIZE: u32 = 256;
/// The fewest blocks that a journal may have.
const JOURNAL_BLOCKS: u32 = 1024;

// Where things are. What is not zero at first lies together, so that it is written at once: the
// journal has its first block before the inode table, and the others behind it.
const DESCRIPTORS: u32 = 1;
const BLOCK_BITMAP: u32 = 2;
const INODE_BITMAP: u32 = 3;
const ROOT: u32 = 4;
const LOST_FOUND: u32 = 5;
const JOURNAL_START: u32 = 6;
const INODE_TABLE: u32 = 7;
const JOURNAL_REST: u32 = INODE_TABLE + INODES * INODE_SIZE / BLOCK as u32;
const FREE: u32 = JOURNAL_REST + JOURNAL_BLOCKS - 1;

// Inodes with fixed numbers; those up to the last one here are taken.
const ROOT_INODE: u32 = 2;
const JOURNAL_INODE: u32 = 8;
const LOST_FOUND_INODE: u32 = 11;

/// Where the bytes of [`image`] go on the disk: ext4 leaves what is before alone.
pub const START: usize = 1024;

/// The file system, from [`START`] to where nothing but zeroes follows.
pub fn image() -> Vec<u8> {
    let mut out = Bytes(vec![0; (INODE_TABLE as usize + 1) * BLOCK]);
    superblock(&mut out);
    group(&mut out);
    bitmap(&mut out, BLOCK_BITMAP, FREE, BLOCKS);
    bitmap(&mut out, INODE_BITMAP, LOST_FOUND_INODE, INODES);
    directories(&mut out);
    journal(&mut out);
    inodes(&mut out);
    out.0.split_off(START)
}

/// Bytes that are written by field.
struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }
}

/// An identifier: RFC 9562, 5.8, version 8, whose bits are the maker's.
const ID: [u8; 16] = *b"virtar\x80m\x80/root/0";

fn superblock(out: &mut Bytes) {
    let base = START;
    let words: [(usize, u32); 22] = [
        (0x00, INODES),
        (0x04, BLOCKS),
        (0x0c, BLOCKS - FREE),
        (0x10, INODES - LOST_FOUND_INODE),
        // Blocks and clusters have 1024 << 2 bytes.
        (0x18, 2),
        (0x1c, 2),
        (0x20, BLOCKS_PER_GROUP),
        (0x24, BLOCKS_PER_GROUP),
        (0x28, INODES),
        // Dynamic revision.
        (0x4c, 1),
        (0x54, LOST_FOUND_INODE),
        // has_journal, ext_attr, dir_index.
        (0x5c, 0x2c),
        // filetype, extents.
        (0x60, 0x42),
        // sparse_super, large_file, huge_file, dir_nlink, extra_isize.
        (0x64, 0x6b),
        (0xe0, JOURNAL_INODE),
        // The seed of hashes of names.
        (0xec, 0x7669_7274),
        (0xf0, 0x6172_6975),
        (0xf4, 0x6d2d_686f),
        (0xf8, 0x6d65_0001),
        // user_xattr, acl.
        (0x100, 0xc),
        // Hashes are of signed characters, whatever those of the processor are.
        (0x160, 1),
        // The size of the journal's inode, which follows its copy.
        (0x10c + 64, JOURNAL_BLOCKS * BLOCK as u32),
    ];
    for (at, value) in words {
        out.u32(base + at, value);
    }
    let halves: [(usize, u16); 7] = [
        // Never checked for its number of mounts.
        (0x36, 0xffff),
        (0x38, 0xef53),
        // Clean; goes on after errors.
        (0x3a, 1),
        (0x3c, 1),
        (0x58, INODE_SIZE as u16),
        (0x15c, 32),
        (0x15e, 32),
    ];
    for (at, value) in halves {
        out.u16(base + at, value);
    }
    out.put(base + 0x68, &ID);
    out.put(base + 0x78, b"home");
    // Half MD4; there is a copy of where the journal is.
    out.put(base + 0xfc, &[1, 1]);
    out.put(base + 0x10c, &extents(&JOURNAL));
}

fn group(out: &mut Bytes) {
    let base = DESCRIPTORS as usize * BLOCK;
    out.u32(base, BLOCK_BITMAP);
    out.u32(base + 4, INODE_BITMAP);
    out.u32(base + 8, INODE_TABLE);
    out.u16(base + 12, (BLOCKS - FREE) as u16);
    out.u16(base + 14, (INODES - LOST_FOUND_INODE) as u16);
    // Directories.
    out.u16(base + 16, 2);
}

/// A bitmap with the first `used` bits set, and those that stand for nothing, from `all` on.
fn bitmap(out: &mut Bytes, block: u32, used: u32, all: u32) {
    let bits = |index: u32| {
        let set = |bit: &u32| *bit < used || *bit >= all;
        (index * 8..index * 8 + 8)
            .filter(set)
            .fold(0_u8, |byte, bit| byte | 1 << (bit % 8))
    };
    let bytes: Vec<u8> = (0..BLOCK as u32).map(bits).collect();
    out.put(block as usize * BLOCK, &bytes);
}

/// The directories' blocks: inode, length of the entry, length of the name, type, name.
fn directories(out: &mut Bytes) {
    let mut entry = |block: u32, at: usize, inode: u32, length: usize, name: &str| {
        let base = block as usize * BLOCK + at;
        out.u32(base, inode);
        out.u16(base + 4, length as u16);
        out.put(base + 6, &[name.len() as u8, 2]);
        out.put(base + 8, name.as_bytes());
    };
    entry(ROOT, 0, ROOT_INODE, 12, ".");
    entry(ROOT, 12, ROOT_INODE, 12, "..");
    entry(ROOT, 24, LOST_FOUND_INODE, BLOCK - 24, "lost+found");
    entry(LOST_FOUND, 0, LOST_FOUND_INODE, 12, ".");
    entry(LOST_FOUND, 12, ROOT_INODE, BLOCK - 12, "..");
}

/// Pieces of a file: the first block, and how many there are.
type Extent = (u32, u16);

const JOURNAL: [Extent; 2] = [
    (JOURNAL_START, 1),
    (JOURNAL_REST, JOURNAL_BLOCKS as u16 - 1),
];

fn inodes(out: &mut Bytes) {
    let mut inode = |number: u32, mode: u16, links: u16, pieces: &[Extent]| {
        let base = INODE_TABLE as usize * BLOCK + ((number - 1) * INODE_SIZE) as usize;
        let blocks: u32 = pieces.iter().map(|(_, count)| u32::from(*count)).sum();
        out.u16(base, mode);
        out.u32(base + 4, blocks * BLOCK as u32);
        out.u16(base + 0x1a, links);
        // In sectors.
        out.u32(base + 0x1c, blocks * (BLOCK as u32 / 512));
        // Its blocks are extents.
        out.u32(base + 0x20, 0x8_0000);
        out.put(base + 0x28, &extents(pieces));
        // Fields beyond the first 128 bytes.
        out.u16(base + 0x80, 32);
    };
    inode(ROOT_INODE, 0o40_700, 3, &[(ROOT, 1)]);
    inode(JOURNAL_INODE, 0o100_600, 1, &JOURNAL);
    inode(LOST_FOUND_INODE, 0o40_700, 2, &[(LOST_FOUND, 1)]);
}

/// The root of an extent tree, whose leaves these are.
fn extents(pieces: &[Extent]) -> Vec<u8> {
    let mut out = Bytes(vec![0; 60]);
    // Magic, entries, the most of them.
    out.u16(0, 0xf30a);
    out.u16(2, pieces.len() as u16);
    out.u16(4, 4);
    let mut block = 0;
    for (at, (start, count)) in (12..).step_by(12).zip(pieces) {
        out.u32(at, block);
        out.u16(at + 4, *count);
        out.u32(at + 8, *start);
        block += u32::from(*count);
    }
    out.0
}

/// The first block of an empty journal, which is in the order of the network.
fn journal(out: &mut Bytes) {
    let words: [(usize, u32); 7] = [
        (0x00, 0xc03b_3998),
        // A superblock, version 2.
        (0x04, 4),
        (0x0c, BLOCK as u32),
        (0x10, JOURNAL_BLOCKS),
        // The first block of the log, and the first number in it.
        (0x14, 1),
        (0x18, 1),
        // Users.
        (0x40, 1),
    ];
    for (at, value) in words {
        out.put(JOURNAL_START as usize * BLOCK + at, &value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;
    use crate::image::testing::directory;
    use virtarium_tests::ext4::Tools;

    #[test]
    fn e2fsck_finds_nothing_wrong_with_it() {
        let Some(tools) = Tools::find("the file system of /root") else {
            return;
        };
        let dir = directory("home");
        let path = dir.path().join("disk");
        let mut file = std::fs::File::create(&path).unwrap();
        file.set_len(64 << 20).unwrap();
        file.seek(SeekFrom::Start(START as u64)).unwrap();
        file.write_all(&image()).unwrap();
        drop(file);
        tools.check(&path).unwrap();
    }

    #[test]
    fn it_is_small_and_written_in_whole_kilobytes() {
        let size = image().len();
        assert!(size <= 32 << 10 && size.is_multiple_of(1024), "{size}");
    }

    #[test]
    fn the_identifier_is_one_of_version_8() {
        let id = uuid::Uuid::from_bytes(ID);
        assert_eq!(id.get_version_num(), 8, "{id}");
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }
}
