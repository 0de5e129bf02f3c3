//! Reading an overlay file, whatever it holds.
//!
//! Nothing is believed: memory is bounded by what the file really holds (a page in memory for
//! each page in it that is not zero, and at most [`MAX_DIRTY`] for its journal), and time by its
//! length.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::entry::Entry;
use super::format::{
    BLOCK, Geometry, HEADER_SLOT, Header, HeaderFault, JOURNAL_AT, Kind, PAGE, PAGE_ENTRIES, Prefix,
};
use super::journal::{self, MAX_DIRTY};
use super::map::{Map, Page, Run};
use super::problem::{OpenError, Problem};
use super::space::Space;
use crate::disk::Store;

/// Pages of the map read at a time.
const BATCH: u32 = 64;

/// Cross-links looked for at most; a file with more is hopeless anyhow.
const MAX_LINKS: usize = 1000;

/// What an overlay file holds.
pub struct Loaded {
    pub header: Header,
    /// Byte of the file at which a copy of the header is damaged; the other one will do.
    pub damaged_header: Option<u64>,
    /// Whether the copies of the header are not the same.
    pub headers_differ: bool,
    pub map: Map,
    pub space: Space,
    /// Bytes of the journal in use.
    pub journal_used: usize,
    /// Number of the next record.
    pub sequence: u64,
}

/// Takes a problem; an error ends the reading with it.
pub type Report<'a> = &'a mut dyn FnMut(Problem) -> Result<(), Problem>;

pub fn load<S: Store>(store: &mut S, report: Report<'_>) -> Result<Loaded, OpenError> {
    let file_len = store.len()?;
    let Headers {
        header,
        damaged_header,
        headers_differ,
    } = read_header(store, file_len)?;
    let geometry = header.geometry;
    let needed = geometry.data_at();
    if file_len < needed {
        let len = file_len;
        return Err(Problem::Truncated { len, needed }.into());
    }
    let mut map = read_map(store, &header, report)?;
    let (journal_used, sequence) = replay(store, &header, &mut map, report)?;
    let space = claim(&geometry, &map, file_len, report)?;
    Ok(Loaded {
        header,
        damaged_header,
        headers_differ,
        map,
        space,
        journal_used,
        sequence,
    })
}

struct Headers {
    header: Header,
    damaged_header: Option<u64>,
    headers_differ: bool,
}

fn read_header<S: Store>(store: &mut S, file_len: u64) -> Result<Headers, OpenError> {
    let mut copies = [0, HEADER_SLOT].map(|at| (at, [0; BLOCK]));
    for (at, bytes) in &mut copies {
        if file_len >= *at + BLOCK as u64 {
            store.read(*at, bytes)?;
        }
    }
    let [first, second] = copies.map(|(_, bytes)| Header::decode(&bytes));
    let one = |header, damaged_header| {
        Ok(Headers {
            header,
            damaged_header,
            headers_differ: true,
        })
    };
    match (first, second) {
        (Ok(first), Ok(second)) => {
            let same = (first.geometry, first.base, first.base_size)
                == (second.geometry, second.base, second.base_size);
            if !same {
                return Err(Problem::HeadersDiffer.into());
            }
            let headers_differ = first != second;
            let second_counts = second.generation > first.generation;
            Ok(Headers {
                header: if second_counts { second } else { first },
                damaged_header: None,
                headers_differ,
            })
        }
        // Another version that wrote one copy and left the other must not be taken for this one.
        (_, Err(HeaderFault::Version(found))) | (Err(HeaderFault::Version(found)), _) => {
            Err(Problem::Version { found }.into())
        }
        (_, Err(HeaderFault::Features(found))) | (Err(HeaderFault::Features(found)), _) => {
            Err(Problem::Features { found }.into())
        }
        // Either copy alone will do, whichever a crash has left behind: the journal of an epoch
        // is not written over before both copies have left it.
        (Ok(first), Err(_)) => one(first, Some(HEADER_SLOT)),
        (Err(_), Ok(second)) => one(second, Some(0)),
        (Err(HeaderFault::Magic), Err(HeaderFault::Magic)) => Err(Problem::NotAnOverlay.into()),
        (Err(first), Err(_)) => {
            let reason = match first {
                HeaderFault::Field(reason) => reason,
                HeaderFault::Magic => "it does not begin as one".to_string(),
                _ => "the checksum is wrong".to_string(),
            };
            Err(Problem::Header { reason }.into())
        }
    }
}

/// What a slot of a page of the map holds.
enum Slot {
    /// Nothing yet.
    Empty,
    Whole(Box<Page>),
    /// Not whole; with its prefix if that is.
    Broken(Option<Prefix>),
}

fn read_slot(bytes: &[u8], number: u32, slot: usize, epoch: u64) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Empty;
    }
    let prefix = Prefix::decode(bytes)
        .filter(|p| p.kind == Kind::Page && p.number == number && p.epoch <= epoch + 1);
    match prefix.map(|prefix| (prefix, Page::decode(bytes, &prefix, slot))) {
        Some((_, Some(page))) => Slot::Whole(page),
        Some((prefix, None)) => Slot::Broken(Some(prefix)),
        None => Slot::Broken(None),
    }
}

/// Whether a crash can leave a slot so: torn while it was written, which concerns a slot that
/// does not count. The first block, with the prefix, is old or new.
fn torn(bytes: &[u8], prefix: Option<&Prefix>, other: Option<u64>, epoch: u64) -> bool {
    match prefix {
        // New, and its checkpoint did not end, or old, and the other slot is the newer one.
        Some(prefix) => {
            prefix.epoch == epoch + 1 || other.is_some_and(|other| other > prefix.sequence)
        }
        // Never written before.
        None => bytes.iter().take(BLOCK).all(|byte| *byte == 0),
    }
}

fn read_map<S: Store>(
    store: &mut S,
    header: &Header,
    report: Report<'_>,
) -> Result<Map, OpenError> {
    let geometry = &header.geometry;
    let mut map = Map::new(geometry.pages());
    let mut bytes = vec![0; BATCH as usize * 2 * PAGE];
    let mut first = 0;
    while first < geometry.pages() {
        let count = BATCH.min(geometry.pages() - first);
        let bytes = bytes
            .get_mut(..count as usize * 2 * PAGE)
            .unwrap_or(&mut []);
        store.read(geometry.page_at(first, 0), bytes)?;
        for (number, both) in (first..).zip(bytes.chunks_exact(2 * PAGE)) {
            let (a, b) = both.split_at(PAGE);
            read_page(header, number, [a, b], &mut map, report)?;
        }
        first += count;
    }
    Ok(map)
}

fn read_page(
    header: &Header,
    number: u32,
    bytes: [&[u8]; 2],
    map: &mut Map,
    report: Report<'_>,
) -> Result<(), Problem> {
    let slots = [0, 1].map(|slot| read_slot(bytes[slot], number, slot, header.epoch));
    let sequence = |slot: &Slot| match slot {
        Slot::Whole(page) => Some(page.sequence),
        _ => None,
    };
    let others = [sequence(&slots[1]), sequence(&slots[0])];
    let mut best: Option<Box<Page>> = None;
    let mut rewrite = false;
    for (slot, content) in slots.into_iter().enumerate() {
        match content {
            Slot::Empty => {}
            Slot::Whole(page) => {
                if best
                    .as_ref()
                    .is_none_or(|best| best.sequence < page.sequence)
                {
                    best = Some(page);
                }
            }
            Slot::Broken(prefix) => {
                if !torn(bytes[slot], prefix.as_ref(), others[slot], header.epoch) {
                    let at = header.geometry.page_at(number, slot);
                    report(Problem::MapPage { page: number, at })?;
                }
                // Once later checkpoints have ended, it could no longer be told from damage.
                rewrite = true;
            }
        }
    }
    if let Some(page) = best {
        for (cluster, entry) in (number * PAGE_ENTRIES..).zip(page.entries()) {
            check(&header.geometry, cluster, *entry, report)?;
        }
        map.insert(number, page);
    }
    if rewrite {
        map.mark_dirty(number);
    }
    Ok(())
}

fn check(
    geometry: &Geometry,
    cluster: u32,
    entry: Entry,
    report: Report<'_>,
) -> Result<(), Problem> {
    match geometry.fault(cluster, entry) {
        Some(reason) => report(Problem::Entry { cluster, reason }),
        None => Ok(()),
    }
}

/// Applies the journal to the map. Returns the bytes in use and the number of the next record.
fn replay<S: Store>(
    store: &mut S,
    header: &Header,
    map: &mut Map,
    report: Report<'_>,
) -> Result<(usize, u64), OpenError> {
    let mut bytes = vec![0; header.geometry.journal_len as usize];
    store.read(JOURNAL_AT, &mut bytes)?;
    let (mut used, mut sequence) = (0, 0);
    // What records may dirty beside what is dirty for another reason.
    let mut touched = BTreeSet::new();
    while let Some(rest) = bytes.get(used..)
        && let Some(prefix) = record(rest).filter(|prefix| prefix.epoch == header.epoch)
        && prefix.sequence == sequence
        && let Some((runs, len)) = journal::decode(rest, &prefix)
    {
        let at = JOURNAL_AT + used as u64;
        if let Err(reason) = apply(&header.geometry, map, &mut touched, runs) {
            report(Problem::Record { at, reason })?;
            break;
        }
        used += len;
        sequence += 1;
    }
    let behind = bytes.chunks_exact(BLOCK).enumerate().skip(used / BLOCK);
    for (block, content) in behind {
        let at = JOURNAL_AT + (block * BLOCK) as u64;
        let Some(found) = record(content) else {
            continue;
        };
        // A header is stable in both copies before the first record of its epoch is begun. Behind
        // an older header the record would count again when that epoch comes.
        if found.epoch > header.epoch {
            let reason = "is of a later epoch than the header";
            report(Problem::Record { at, reason })?;
            break;
        }
        // A record is stable before the next is begun, so no crash leaves a later one behind a
        // hole.
        let later = found.epoch == header.epoch && found.sequence > sequence;
        if later && block > used / BLOCK {
            report(Problem::JournalGap {
                at: JOURNAL_AT + used as u64,
                next: at,
            })?;
            break;
        }
    }
    Ok((used, sequence))
}

fn record(bytes: &[u8]) -> Option<Prefix> {
    Prefix::decode(bytes).filter(|prefix| prefix.kind == Kind::Record)
}

fn apply(
    geometry: &Geometry,
    map: &mut Map,
    touched: &mut BTreeSet<u32>,
    runs: impl Iterator<Item = Run>,
) -> Result<(), &'static str> {
    let mut next = 0;
    for Run {
        first,
        count,
        entry,
    } in runs
    {
        let end = first.saturating_add(count);
        if count == 0 || first < next || end > geometry.clusters() {
            return Err("has runs that are empty, not ascending, or beyond the end of the disk");
        }
        next = end;
        for i in 0..count {
            let cluster = first + i;
            if touched.insert(cluster / PAGE_ENTRIES) && touched.len() > MAX_DIRTY {
                return Err("and those before it touch more pages of the map than a journal may");
            }
            let entry = entry
                .step(i)
                .ok_or("leads to a place that no file of this size has")?;
            if let Some(reason) = geometry.fault(cluster, entry) {
                return Err(reason);
            }
            map.replay(cluster, entry);
        }
    }
    Ok(())
}

/// Gives every data cluster to the entry that names it.
fn claim(
    geometry: &Geometry,
    map: &Map,
    file_len: u64,
    report: Report<'_>,
) -> Result<Space, Problem> {
    let mut space = Space::new(geometry.clusters());
    let mut linked = Vec::new();
    for (cluster, entry) in map.iter() {
        let location = entry.location();
        // Else reported already.
        if location == 0 || location > geometry.clusters() {
            continue;
        }
        if !space.take(location) && linked.len() < MAX_LINKS {
            linked.push((location, cluster));
        }
        let parts = u64::from(16 - entry.present().leading_zeros());
        let used = (parts * geometry.part_size()).min(geometry.cluster_len(cluster));
        let end = geometry.location_at(location) + used;
        if used > 0 && end > file_len {
            report(Problem::OutsideFile {
                cluster,
                end,
                len: file_len,
            })?;
        }
    }
    if !linked.is_empty() {
        let mut owners = BTreeMap::new();
        for (location, _) in &linked {
            owners.insert(*location, None);
        }
        for (cluster, entry) in map.iter() {
            if let Some(owner @ None) = owners.get_mut(&entry.location()) {
                *owner = Some(cluster);
            }
        }
        for (location, cluster) in linked {
            let owner = owners.get(&location).copied().flatten();
            report(Problem::CrossLinked {
                at: geometry.location_at(location),
                clusters: (owner.unwrap_or(cluster), cluster),
            })?;
        }
    }
    Ok(space)
}
