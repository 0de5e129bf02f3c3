//! Device trees as values, and their flattened form.
//!
//! Source: Devicetree Specification 0.4, chapter 5 (flattened format, version 17). A tree is
//! small and is written once a boot; the same type holds a tree of the user's that only gets a
//! command line, which a mere writer could not.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE: u32 = 16;
const HEADER_SIZE: usize = 40;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// The deepest nesting of nodes that [`Tree::parse`] accepts.
pub const MAX_DEPTH: usize = 64;
/// The longest name that [`Tree::parse`] accepts, in bytes. The specification allows 31, and
/// longer ones occur.
pub const MAX_NAME: usize = 255;
/// The largest flattened tree that [`Tree::parse`] accepts, in bytes.
pub const MAX_SIZE: usize = 2 << 20;

/// A node: its properties and children, in the order in which they are written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Node>,
}

impl Node {
    /// An empty node. The root's name is empty.
    // Not inlined, as what follows: a tree is built once, by hundreds of calls, and a page downloads
    // them.
    #[inline(never)]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Its name with the unit address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of a property.
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Names and bytes of all properties.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The nodes directly below.
    pub fn children(&self) -> &[Node] {
        &self.children
    }

    /// The node at a path of full names relative to this one, such as `soc/serial@10000000`.
    pub fn find(&self, path: &str) -> Option<&Node> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(self, |node, name| {
                node.children.iter().find(|child| child.name == name)
            })
    }

    /// The node below of this name, made if there is none.
    pub fn child_mut(&mut self, name: &str) -> &mut Node {
        let at = match self.children.iter().position(|child| child.name == name) {
            Some(at) => at,
            None => {
                self.children.push(Node::new(name));
                self.children.len() - 1
            }
        };
        &mut self.children[at]
    }

    /// Sets a property, replacing one of this name.
    #[inline(never)]
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        match self.properties.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value.into(),
            None => self.properties.push((name.to_string(), value.into())),
        }
    }

    /// With a property of bytes.
    #[must_use]
    #[inline(never)]
    pub fn bytes(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.set(name, value);
        self
    }

    /// With a property that has no value.
    #[must_use]
    #[inline(never)]
    pub fn flag(self, name: &str) -> Self {
        self.bytes(name, [])
    }

    /// With a property of 32-bit cells.
    #[must_use]
    #[inline(never)]
    pub fn cells(self, name: &str, cells: &[u32]) -> Self {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, bytes)
    }

    /// With a property of pairs of cells.
    #[must_use]
    #[inline(never)]
    pub fn cells64(self, name: &str, values: &[u64]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, bytes)
    }

    /// With a property that is a string.
    #[must_use]
    #[inline(never)]
    pub fn string(self, name: &str, value: &str) -> Self {
        self.strings(name, &[value])
    }

    /// With a property that is a list of strings.
    #[must_use]
    #[inline(never)]
    pub fn strings(self, name: &str, values: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for value in values {
            put_string(&mut bytes, value);
        }
        self.bytes(name, bytes)
    }

    /// With a node below.
    #[must_use]
    #[inline(never)]
    pub fn node(mut self, child: Node) -> Self {
        self.children.push(child);
        self
    }

    /// Depth of recursion: that of the tree, which is a few levels or [`MAX_DEPTH`].
    fn flatten(&self, blocks: &mut Blocks) {
        put(&mut blocks.structure, BEGIN_NODE);
        put_string(&mut blocks.structure, &self.name);
        pad(&mut blocks.structure, 4);
        for (name, value) in &self.properties {
            let at = blocks.name(name);
            put(&mut blocks.structure, PROP);
            put(&mut blocks.structure, value.len() as u32);
            put(&mut blocks.structure, at);
            blocks.structure.extend_from_slice(value);
            pad(&mut blocks.structure, 4);
        }
        for child in &self.children {
            child.flatten(blocks);
        }
        put(&mut blocks.structure, END_NODE);
    }
}

/// A tree with what its flattened form holds beside it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    /// The root node.
    pub root: Node,
    /// Reserved memory: address and size in bytes.
    pub reserved: Vec<(u64, u64)>,
    /// The hart id that boots.
    pub boot_hart: u32,
}

impl Tree {
    /// The flattened tree, a multiple of 8 bytes long.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut blocks = Blocks::default();
        self.root.flatten(&mut blocks);
        put(&mut blocks.structure, END);

        let reserve_at = HEADER_SIZE;
        let structure_at = reserve_at + 16 * (self.reserved.len() + 1);
        let strings_at = structure_at + blocks.structure.len();
        let total = (strings_at + blocks.strings.len()).next_multiple_of(8);

        let mut blob = Vec::with_capacity(total);
        for word in [
            MAGIC,
            total as u32,
            structure_at as u32,
            strings_at as u32,
            reserve_at as u32,
            VERSION,
            LAST_COMPATIBLE,
            self.boot_hart,
            blocks.strings.len() as u32,
            blocks.structure.len() as u32,
        ] {
            put(&mut blob, word);
        }
        for (address, size) in self.reserved.iter().chain(&[(0, 0)]) {
            blob.extend_from_slice(&address.to_be_bytes());
            blob.extend_from_slice(&size.to_be_bytes());
        }
        blob.extend_from_slice(&blocks.structure);
        blob.extend_from_slice(&blocks.strings);
        pad(&mut blob, 8);
        blob
    }

    /// Reads a flattened tree.
    ///
    /// Work and memory are bounded by a small multiple of the blob's length, which is at most
    /// [`MAX_SIZE`], whatever it contains.
    pub fn parse(blob: &[u8]) -> Result<Self, TreeError> {
        let whole = Reader { bytes: blob };
        if whole.word(0)? != MAGIC {
            return Err(TreeError::at(0, "has no device tree magic"));
        }
        let total = whole.word(4)? as usize;
        if total > MAX_SIZE {
            return Err(TreeError::at(4, "is larger than 2 MiB"));
        }
        let blob = blob
            .get(..total)
            .ok_or(TreeError::at(4, "is shorter than its header says"))?;
        let whole = Reader { bytes: blob };
        if whole.word(24)? > VERSION || whole.word(20)? < LAST_COMPATIBLE {
            return Err(TreeError::at(20, "has a version other than 16 or 17"));
        }
        let structure = whole.word(8)? as usize;
        // The strings block has no length in version 16; its strings end in the blob.
        let strings = blob
            .get(whole.word(12)? as usize..)
            .ok_or(TreeError::at(12, "has its strings outside"))?;
        Ok(Self {
            root: parse_nodes(whole, structure, strings)?,
            reserved: parse_reserved(whole, whole.word(16)? as usize)?,
            boot_hart: whole.word(28)?,
        })
    }
}

fn parse_reserved(whole: Reader<'_>, mut at: usize) -> Result<Vec<(u64, u64)>, TreeError> {
    let mut reserved = Vec::new();
    // Bounded by the blob: each round reads 16 bytes further on.
    loop {
        let entry = (whole.double(at)?, whole.double(at.saturating_add(8))?);
        if entry == (0, 0) {
            return Ok(reserved);
        }
        reserved.push(entry);
        at = at.saturating_add(16);
    }
}

fn parse_nodes(whole: Reader<'_>, start: usize, strings: &[u8]) -> Result<Node, TreeError> {
    let mut open: Vec<Node> = Vec::new();
    let mut at = start;
    // Bounded by the blob: each round reads at least 4 bytes further on.
    loop {
        let token = whole.word(at)?;
        let here = at;
        at = at.saturating_add(4);
        match token {
            BEGIN_NODE => {
                if open.len() == MAX_DEPTH {
                    return Err(TreeError::at(here, "is nested too deeply"));
                }
                let name = string_at(whole.bytes, at)?;
                at = at.saturating_add(name.len() + 1).next_multiple_of(4);
                open.push(Node::new(name));
            }
            END_NODE => {
                let node = open
                    .pop()
                    .ok_or(TreeError::at(here, "closes a node that is not open"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            }
            PROP => {
                let len = whole.word(at)? as usize;
                let name = string_at(strings, whole.word(at.saturating_add(4))? as usize)?;
                at = at.saturating_add(8);
                let end = at.saturating_add(len);
                let value = whole
                    .bytes
                    .get(at..end)
                    .ok_or(TreeError::at(here, "has a property that ends outside"))?;
                let node = open
                    .last_mut()
                    .ok_or(TreeError::at(here, "has a property outside any node"))?;
                node.properties.push((name.to_string(), value.to_vec()));
                at = end.next_multiple_of(4);
            }
            NOP => {}
            END => return Err(TreeError::at(here, "ends within a node")),
            _ => return Err(TreeError::at(here, "has an unknown token")),
        }
    }
}

/// What is wrong with a flattened device tree, and at which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeError {
    /// Offset of the byte from the start of the blob, or of its strings.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl TreeError {
    fn at(at: usize, reason: &'static str) -> Self {
        Self { at, reason }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {:#x})", self.reason, self.at)
    }
}

impl core::error::Error for TreeError {}

#[derive(Default)]
struct Blocks {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Where each name in `strings` begins. A map, for a tree of the user's may have as many names
    /// as it has bytes.
    names: BTreeMap<String, u32>,
}

impl Blocks {
    fn name(&mut self, name: &str) -> u32 {
        if let Some(at) = self.names.get(name) {
            return *at;
        }
        let at = self.strings.len() as u32;
        put_string(&mut self.strings, name);
        self.names.insert(name.to_string(), at);
        at
    }
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

/// A string ends at its first zero byte, wherever it came from.
fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|byte| *byte != 0));
    out.push(0);
}

fn pad(out: &mut Vec<u8>, multiple: usize) {
    out.resize(out.len().next_multiple_of(multiple), 0);
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], TreeError> {
        self.bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .ok_or(TreeError::at(at, "is truncated"))
    }

    fn word(self, at: usize) -> Result<u32, TreeError> {
        self.array(at).map(u32::from_be_bytes)
    }

    fn double(self, at: usize) -> Result<u64, TreeError> {
        self.array(at).map(u64::from_be_bytes)
    }
}

fn string_at(bytes: &[u8], at: usize) -> Result<&str, TreeError> {
    let rest = bytes
        .get(at..)
        .ok_or(TreeError::at(at, "has a name outside"))?;
    let len = rest
        .iter()
        .take(MAX_NAME + 1)
        .position(|byte| *byte == 0)
        .ok_or(TreeError::at(at, "has a name without an end"))?;
    core::str::from_utf8(rest.get(..len).unwrap_or_default())
        .map_err(|_| TreeError::at(at, "has a name that is no text"))
}
