//! What a streamed disk asks for, and when.

use virtarium_backends::disk::overlay::OpenError;
use virtarium_backends::disk::{BaseId, Manifest, MemStore, OverlayOptions, Streamed};
use virtarium_machine::host::{BlockError, BlockRequest, Submitted, Token};

use crate::images::{CHUNK, Image};

const SECTORS: u64 = CHUNK as u64 / 512;
const ROOMY: u64 = 64 * CHUNK as u64;

fn read(chunk: u64, sectors: u64) -> BlockRequest {
    BlockRequest::Read {
        sector: chunk * SECTORS,
        len: sectors * 512,
    }
}

fn write(sector: u64, sectors: u64) -> BlockRequest {
    BlockRequest::Write {
        sector,
        data: vec![9; sectors as usize * 512],
    }
}

fn disk(image: &Image, cache: u64) -> Streamed<MemStore> {
    let options = OverlayOptions::default();
    Streamed::create(MemStore::default(), image.manifest.clone(), &options, cache)
        .expect("the options are possible")
}

fn full(chunks: usize) -> Image {
    Image::new(chunks * CHUNK, 1, |_| false)
}

/// All that is asked for now.
fn asked(disk: &mut Streamed<MemStore>) -> Vec<u32> {
    std::iter::from_fn(|| disk.next_fetch()).collect()
}

fn done(disk: &mut Streamed<MemStore>, token: u64, request: &BlockRequest) {
    match disk.submit(Token(token), request) {
        Submitted::Done(result) => drop(result.expect("it works")),
        Submitted::Pending => panic!("{request:?} waits"),
    }
}

/// Reads a chunk, gets what it needs, and says what is asked for ahead then.
fn read_on(disk: &mut Streamed<MemStore>, image: &Image, chunk: u64) -> Vec<u32> {
    if disk.submit(Token(1000 + chunk), &read(chunk, 8)) == Submitted::Pending {
        let index = disk.next_fetch().expect("it is missing");
        assert_eq!(u64::from(index), chunk);
        disk.arrived(index, image.chunk(index))
            .expect("it is right");
        assert_eq!(disk.take_completed().len(), 1);
    }
    asked(disk)
}

#[test]
fn what_is_read_in_sequence_is_asked_for_ahead() {
    let image = full(64);
    let mut disk = disk(&image, ROOMY);
    assert_eq!(read_on(&mut disk, &image, 0), []);
    let mut chunk = 1;
    let mut windows = Vec::new();
    while chunk < 40 {
        let ahead = read_on(&mut disk, &image, chunk);
        windows.push(ahead.len());
        for index in ahead {
            assert!(u64::from(index) > chunk && u64::from(index) <= chunk + 16);
            disk.arrived(index, image.chunk(index))
                .expect("it is right");
        }
        chunk += 1;
    }
    // A few at a time, and never as many as would be in the way of what is needed.
    assert!(windows.iter().all(|window| *window <= 6), "{windows:?}");
    assert_eq!(windows[..3], [1, 2, 3], "{windows:?}");
    let stats = disk.stats();
    assert!(stats.hits > 36 && stats.ahead > 36, "{stats:?}");
    assert_eq!(stats.waits, 2, "only the first ones were waited for");
}

#[test]
fn nothing_is_asked_for_ahead_that_is_there_or_zero_or_overwritten_or_beyond_the_end() {
    let image = Image::new(8 * CHUNK, 1, |index| index == 3);
    let mut disk = disk(&image, ROOMY);
    // Chunk 4 does not come from the image any more.
    done(&mut disk, 1, &write(4 * SECTORS, SECTORS));
    disk.arrived(6, image.chunk(6)).expect("it is right");
    let mut all = Vec::new();
    for chunk in 0..8 {
        if disk.submit(Token(10 + chunk), &read(chunk, 8)) == Submitted::Pending {
            assert_eq!(disk.next_fetch(), Some(chunk as u32));
            all.push(chunk as u32);
        }
        let ahead = asked(&mut disk);
        all.extend(&ahead);
        for index in all.clone() {
            if !disk.overlay().base().has(index) {
                disk.arrived(index, image.chunk(index))
                    .expect("it is right");
            }
        }
    }
    assert_eq!(all, [0, 1, 2, 5, 7]);
    assert_eq!(asked(&mut disk), []);
}

#[test]
fn jumps_are_not_followed() {
    let image = full(64);
    let mut disk = disk(&image, ROOMY);
    for chunk in [40, 3, 60, 21, 9, 33, 50, 0] {
        assert_eq!(read_on(&mut disk, &image, chunk), []);
    }
    assert_eq!(disk.stats().ahead, 0);
}

#[test]
fn needed_chunks_come_before_those_that_may_be() {
    let image = full(64);
    let mut disk = disk(&image, ROOMY);
    for chunk in 0..6 {
        for index in read_on(&mut disk, &image, chunk) {
            disk.arrived(index, image.chunk(index))
                .expect("it is right");
        }
    }
    // The guest moves on, and more is wanted ahead; but it asks for something else as well.
    done(&mut disk, 1, &read(6, 8));
    assert_eq!(disk.submit(Token(2), &read(50, 8)), Submitted::Pending);
    assert!(disk.is_demanded(50));
    assert_eq!(disk.next_fetch(), Some(50));
    let ahead = disk.next_fetch().expect("the window has moved on");
    assert!(ahead < 30 && !disk.is_demanded(ahead), "{ahead}");
}

#[test]
fn nothing_is_asked_for_ahead_where_there_is_no_room() {
    let image = full(16);
    for cache in [0, CHUNK as u64] {
        let mut disk = disk(&image, cache);
        for chunk in 0..16 {
            let ahead = read_on(&mut disk, &image, chunk);
            assert!(ahead.is_empty(), "{ahead:?}");
            assert!(disk.stats().present_bytes <= cache);
        }
    }
    // And never twice, even if it has to go before it is used.
    let mut disk = disk(&image, 4 * CHUNK as u64);
    let mut all = Vec::new();
    for chunk in 0..3 {
        for index in read_on(&mut disk, &image, chunk) {
            all.push(index);
            disk.arrived(index, image.chunk(index))
                .expect("it is right");
        }
    }
    for index in 10..16 {
        disk.arrived(index, image.chunk(index))
            .expect("it is right");
    }
    assert_eq!(all, [2, 3, 4]);
    assert!(!disk.overlay().base().has(4));
    assert_eq!(asked(&mut disk), []);
}

#[test]
fn chunk_that_two_requests_need_is_asked_for_once() {
    let image = full(4);
    let mut disk = disk(&image, ROOMY);
    for token in 1..5 {
        assert_eq!(
            disk.submit(Token(token), &read(2, token)),
            Submitted::Pending
        );
    }
    assert_eq!(asked(&mut disk), [2]);
    disk.arrived(2, image.chunk(2)).expect("it is right");
    let tokens: Vec<_> = disk
        .take_completed()
        .into_iter()
        .map(|(token, _)| token.0)
        .collect();
    assert_eq!(tokens, [1, 2, 3, 4]);
    assert!(disk.is_idle());
}

#[test]
fn request_larger_than_the_cache_is_done_and_then_forgotten() {
    let image = full(32);
    let mut disk = disk(&image, 2 * CHUNK as u64);
    let all = BlockRequest::Read {
        sector: 0,
        len: 32 * CHUNK as u64,
    };
    assert_eq!(disk.submit(Token(1), &all), Submitted::Pending);
    assert_eq!(disk.submit(Token(2), &all), Submitted::Pending);
    for token in 1..3 {
        let mut fetched = asked(&mut disk);
        assert_eq!(fetched.len(), if token == 1 { 32 } else { 30 });
        fetched.reverse();
        for index in fetched {
            disk.arrived(index, image.chunk(index))
                .expect("it is right");
        }
        let results = disk.take_completed();
        assert!(results == [(Token(token), Ok(image.bytes.clone()))]);
    }
    assert_eq!(disk.stats().present_bytes, 2 * CHUNK as u64);
}

#[test]
fn chunk_that_was_not_used_for_the_longest_time_goes_first() {
    let image = full(8);
    let mut disk = disk(&image, 3 * CHUNK as u64);
    for index in [0, 2, 4] {
        disk.arrived(index, image.chunk(index))
            .expect("it is right");
    }
    done(&mut disk, 1, &read(0, 8));
    done(&mut disk, 2, &read(4, 8));
    disk.arrived(6, image.chunk(6)).expect("it is right");
    let there = (0..8).filter(|index| disk.overlay().base().has(*index));
    assert_eq!(there.collect::<Vec<_>>(), [0, 4, 6]);
    done(&mut disk, 3, &read(0, 8));
    disk.arrived(2, image.chunk(2)).expect("it is right");
    assert!(disk.overlay().base().has(0) && !disk.overlay().base().has(4));
}

#[test]
fn flush_and_whole_writes_wait_for_nothing() {
    let image = full(4);
    let mut disk = disk(&image, ROOMY);
    assert_eq!(disk.submit(Token(1), &read(1, 8)), Submitted::Pending);
    // Not all of a part: the rest of it must come from the image.
    assert_eq!(
        disk.submit(Token(2), &write(3 * SECTORS + 1, 2)),
        Submitted::Pending
    );
    done(&mut disk, 3, &BlockRequest::Flush);
    done(&mut disk, 4, &write(8, 8));
    done(&mut disk, 5, &BlockRequest::Flush);
    let (sector, count) = (2 * SECTORS, SECTORS);
    done(&mut disk, 6, &BlockRequest::Discard { sector, count });
    assert_eq!(disk.submit(Token(7), &read(0, 8)), Submitted::Pending);
    let (sector, len) = (8, 8 * 512);
    done(&mut disk, 8, &BlockRequest::Read { sector, len });
    assert_eq!(asked(&mut disk), [1, 3, 0]);
}

#[test]
fn chunk_that_is_given_up_fails_its_requests_and_is_asked_for_again() {
    let image = full(8);
    let mut disk = disk(&image, ROOMY);
    let both = read(1, SECTORS + 8);
    assert_eq!(disk.submit(Token(1), &both), Submitted::Pending);
    assert_eq!(disk.submit(Token(2), &read(2, 8)), Submitted::Pending);
    assert_eq!(
        disk.submit(Token(3), &write(2 * SECTORS + 1, 1)),
        Submitted::Pending
    );
    assert_eq!(disk.submit(Token(4), &read(5, 8)), Submitted::Pending);
    assert_eq!(asked(&mut disk), [1, 2, 5]);
    disk.failed(2);
    let failed = |token| (Token(token), Err(BlockError::Io));
    assert_eq!(disk.take_completed(), [failed(1), failed(2), failed(3)]);
    // Nobody waits for it now, and it still may come.
    assert!(!disk.is_demanded(1));
    disk.arrived(1, image.chunk(1)).expect("it is right");
    assert_eq!(disk.take_completed(), []);
    assert_eq!(disk.submit(Token(5), &read(2, 8)), Submitted::Pending);
    assert_eq!(asked(&mut disk), [2]);
    disk.arrived(2, image.chunk(2)).expect("it is right");
    let results = disk.take_completed();
    assert_eq!(results, [(Token(5), Ok(image.chunk(2)[..4096].to_vec()))]);
    // What was to be written was not.
    assert_eq!(disk.overlay().summary().allocated, 0);
}

#[test]
fn damaged_chunk_changes_nothing_and_may_come_again() {
    let image = full(3);
    let mut disk = disk(&image, ROOMY);
    assert_eq!(disk.submit(Token(1), &read(0, 8)), Submitted::Pending);
    assert_eq!(asked(&mut disk), [0]);
    disk.arrived(0, image.chunk(1))
        .expect_err("it is another one");
    disk.arrived(0, Vec::new()).expect_err("it is empty");
    disk.arrived(9, image.chunk(1))
        .expect_err("there is no such chunk");
    assert_eq!(
        (disk.take_completed(), asked(&mut disk)),
        (Vec::new(), Vec::new())
    );
    disk.arrived(0, image.chunk(0)).expect("it is right");
    assert_eq!(disk.take_completed().len(), 1);
    assert_eq!((disk.stats().damaged, disk.stats().fetched), (3, 1));
}

#[test]
fn what_only_abandoned_requests_need_is_not_asked_for() {
    let image = full(8);
    // There is room for one request at a time.
    let mut disk = disk(&image, CHUNK as u64);
    for token in 0..4 {
        assert_eq!(
            disk.submit(Token(token), &read(token * 2, 8)),
            Submitted::Pending
        );
    }
    disk.abandon(Token(0));
    disk.abandon(Token(2));
    assert_eq!(asked(&mut disk), [2]);
    disk.abandon(Token(1));
    assert_eq!(asked(&mut disk), [6]);
    disk.arrived(2, image.chunk(2))
        .expect("it comes all the same");
    disk.arrived(6, image.chunk(6)).expect("it is right");
    let results = disk.take_completed();
    assert!(matches!(results[..], [(Token(3), Ok(_))]));
    assert!(disk.is_idle());
    // A result that nobody has taken is not given any more.
    assert_eq!(disk.submit(Token(9), &read(0, 8)), Submitted::Pending);
    assert_eq!(asked(&mut disk), [0]);
    disk.arrived(0, image.chunk(0)).expect("it is right");
    disk.abandon(Token(9));
    assert_eq!(disk.take_completed(), []);
}

#[test]
fn request_behind_an_abandoned_one_is_done_if_its_chunk_is_there_by_now() {
    let image = full(8);
    let mut disk = disk(&image, CHUNK as u64);
    assert_eq!(disk.submit(Token(1), &read(0, 8)), Submitted::Pending);
    assert_eq!(disk.submit(Token(2), &read(3, 8)), Submitted::Pending);
    // Nobody may have asked for it, but here it is.
    disk.arrived(3, image.chunk(3)).expect("it is right");
    disk.abandon(Token(1));
    let results = disk.take_completed();
    assert!(matches!(results[..], [(Token(2), Ok(_))]), "{results:?}");
}

#[test]
fn what_another_request_has_brought_is_not_fetched_again() {
    let image = full(2);
    // No room for any chunk, so that the second request begins when the first one has gone.
    let mut disk = disk(&image, 0);
    for token in 1..3 {
        assert_eq!(
            disk.submit(Token(token), &write(token, 1)),
            Submitted::Pending
        );
    }
    assert_eq!(asked(&mut disk), [0]);
    disk.arrived(0, image.chunk(0)).expect("it is right");
    // The first one has taken the rest of the part that both write to into the overlay.
    let done = |token| (Token(token), Ok(Vec::new()));
    assert_eq!(disk.take_completed(), [done(1), done(2)]);
    assert_eq!(disk.stats().present_bytes, 0);
    assert!(disk.is_idle());
}

#[test]
fn write_that_waits_is_not_abandoned() {
    let image = full(2);
    let mut disk = disk(&image, ROOMY);
    assert_eq!(disk.submit(Token(1), &write(1, 1)), Submitted::Pending);
    disk.abandon(Token(1));
    assert_eq!(asked(&mut disk), [0]);
    disk.arrived(0, image.chunk(0)).expect("it is right");
    assert_eq!(disk.take_completed(), [(Token(1), Ok(Vec::new()))]);
    assert_eq!(disk.overlay().summary().allocated, 1);
}

#[test]
fn overlay_of_another_manifest_is_refused_with_both_identities() {
    let image = full(2);
    let other = Image::new(2 * CHUNK, 2, |_| false);
    let mut disk = disk(&image, ROOMY);
    disk.flush().expect("memory takes all");
    let store = disk.into_store();
    let mut copy = store.clone();
    let options = OverlayOptions::default();
    assert_eq!(
        Streamed::is_unfinished(&mut copy, &image.manifest, &options),
        Ok(false)
    );
    let error = Streamed::open(store, other.manifest.clone(), ROOMY).expect_err("it is another");
    assert!(matches!(error, OpenError::WrongBase { .. }));
    let text = error.to_string();
    for manifest in [&image.manifest, &other.manifest] {
        assert!(text.contains(&manifest.id().to_string()), "{text}");
    }
    let mut empty = MemStore::default();
    assert_eq!(
        Streamed::is_unfinished(&mut empty, &image.manifest, &options),
        Ok(true)
    );
}

#[test]
fn image_without_hashes_is_streamed_by_its_ranges() {
    let size = CHUNK as u64 + 1000;
    let manifest = Manifest::unverified(size, CHUNK as u32, BaseId([1; 32])).expect("possible");
    let options = OverlayOptions::default();
    let disk = Streamed::create(MemStore::default(), manifest, &options, ROOMY);
    let mut disk = disk.expect("the options are possible");
    assert_eq!(disk.size(), size.next_multiple_of(512));
    assert_eq!(disk.submit(Token(1), &read(1, 2)), Submitted::Pending);
    assert_eq!(asked(&mut disk), [1]);
    disk.arrived(1, vec![7; CHUNK]).expect_err("it is too long");
    disk.arrived(1, vec![7; 1000]).expect("its length is right");
    let mut bytes = vec![7; 1000];
    bytes.resize(1024, 0);
    assert_eq!(disk.take_completed(), [(Token(1), Ok(bytes))]);
}
