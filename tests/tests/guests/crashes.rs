//! A file system that Debian's kernel writes to an overlay, after crashes of the host.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use virtarium_backends::disk::{BaseId, MemBase, MemStore, Overlay, OverlayOptions};
use virtarium_machine::host::{BlockRequest, BlockResult};
use virtarium_machine::machine::{DeviceConfig, Exit, MachineConfig};
use virtarium_machine::virtio::BlockConfig;
use virtarium_tests::crash::{CrashImage, Event, Log, Recorder};
use virtarium_tests::ext4::{Tools, scratch};
use virtarium_tests::guest::{Disk, Guest, slots};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};

use crate::{PROMPT, config};

/// MiB of the file system.
const SIZE: u64 = 8;
/// Files that are written and synced, one after the other.
const FILES: u64 = 24;

/// The disk under the guest.
struct Recorded(Overlay<Recorder<MemStore>, MemBase>);

impl Disk for Recorded {
    fn execute(&mut self, request: &BlockRequest) -> BlockResult {
        self.0.execute(request)
    }

    fn heard(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("SYNCED ") {
            let number = number.parse().expect("a number of ours");
            self.0.store_mut().mark(number);
        }
    }
}

/// The length of each file of a workload, by its number from 1.
struct Workload(Vec<usize>);

impl Workload {
    fn new(mut rng: Rng) -> Self {
        Self((0..FILES).map(|_| rng.below(30_000) as usize + 1).collect())
    }

    fn file(&self, number: u64) -> Vec<u8> {
        let len = self.0[number as usize - 1];
        let line = format!("{number} ").into_bytes();
        line.into_iter().cycle().take(len).collect()
    }

    /// What the guest's shell does: `/f<n>` is written and synced; `/last` is replaced by a
    /// rename; and there are files that come and go without a sync.
    fn script(&self) -> Vec<String> {
        let step = |(index, len): (usize, &usize)| {
            let n = index + 1;
            format!(
                "w() {{ yes '{n} ' | tr -d '\\n' | head -c $1; }}; \
                 w 9000 > u{n}; rm -f u$(({n} - 3)); \
                 w {len} | dd of=f{n} bs=4k conv=fsync 2>/dev/null && \
                 w {len} | dd of=new bs=1k conv=fsync 2>/dev/null && mv new last && \
                 {sync} && echo 'SYNCED' {n}",
                // A commit of the journal, whoever asks for it, makes the rename stable.
                sync = match n % 2 {
                    0 => "echo | dd of=tick conv=fsync 2>/dev/null",
                    _ => "sync",
                },
            )
        };
        self.0.iter().enumerate().map(step).collect()
    }
}

/// Boots the guest over `base`, lets it work, and returns what the overlay's file went through.
fn record(base: &MemBase, workload: &Workload) -> Log {
    let options = OverlayOptions::default();
    let overlay = Overlay::create(MemStore::default(), base.clone(), &options).expect("possible");
    let store = Recorder::new(overlay.into_store()).expect("memory can be read");
    let disk = Recorded(Overlay::open(store, base.clone()).expect("sound"));
    let device = DeviceConfig::Block(BlockConfig {
        sectors: SIZE << 11,
        ..BlockConfig::default()
    });
    let config = MachineConfig {
        slots: slots([device]),
        ..config("busybox")
    };
    let mut guest = Guest::start(config, vec![disk]);
    guest.expect(PROMPT);
    guest.lines("mount -t ext4 /dev/vda /mnt && cd /mnt");
    for step in workload.script() {
        guest.lines(&step);
    }
    guest.send("cd /; umount /mnt; poweroff\n");
    assert_eq!(guest.end(), Exit::PowerOff { code: 0 });
    let disk = guest.into_disks().remove(0);
    disk.0.into_store().into_log()
}

/// Where ext4 has its superblock: two sectors.
const SUPERBLOCK: std::ops::Range<usize> = 1024..2048;

/// What a crash of the overlay's file leaves of the guest's disk.
fn disk(base: &MemBase, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut disk =
        Overlay::open(MemStore::new(bytes), base.clone()).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; (SIZE << 20) as usize];
    disk.read_at(0, &mut bytes)
        .map_err(|error| format!("{error:?}"))?;
    Ok(bytes)
}

/// The guest's workload, what its disk went through, and what judges the rest.
struct Ground<'a> {
    tools: Tools,
    base: &'a MemBase,
    workload: &'a Workload,
    log: &'a Log,
    /// Crashes between the two sectors of the superblock.
    torn: AtomicU64,
}

impl Ground<'_> {
    /// What is wrong with the file system that a crash leaves.
    fn judge(&self, image: CrashImage, dir: &Path) -> Result<(), String> {
        let (what, mark) = (image.what, image.mark.unwrap_or(0));
        let wrong = |why: String| format!("{what}, {mark} files synced: {why}");
        let mut bytes = disk(self.base, image.bytes).map_err(&wrong)?;
        let file = dir.join("disk");
        std::fs::write(&file, &bytes).expect("room for an image");
        if let Err(why) = self.tools.replay(&file) {
            let Some(whole) = self.before_tear(&bytes, image.at) else {
                return Err(wrong(why));
            };
            println!("{what}: between the sectors of the superblock");
            self.torn.fetch_add(1, Ordering::Relaxed);
            bytes[SUPERBLOCK].copy_from_slice(&whole);
            std::fs::write(&file, &bytes).expect("room for an image");
            self.tools.replay(&file).map_err(&wrong)?;
        }
        self.tools.check(&file).map_err(&wrong)?;
        let mut paths: Vec<String> = (1..=mark).map(|n| format!("/f{n}")).collect();
        paths.push("/last".to_owned());
        let files = self.tools.read(&file, &paths, dir);
        for n in 1..=mark {
            if files[n as usize - 1] != Some(self.workload.file(n)) {
                return Err(wrong(format!("/f{n} is not what was synced")));
            }
        }
        // What replaced it may be there, or not yet.
        let last = &files[mark as usize];
        let mut allowed = (mark.max(1)..=FILES.min(mark + 1)).map(|n| self.workload.file(n));
        if mark > 0 && !allowed.any(|file| Some(&file) == last.as_ref()) {
            return Err(wrong("/last is no version that was synced".to_owned()));
        }
        Ok(())
    }

    /// The superblock that was there before, if the crash came between the two sectors of a new
    /// one.
    ///
    /// ext4 writes its superblock of 1024 bytes in place and outside of its journal, with a
    /// checksum over all of it. A disk keeps sectors of 512 bytes whole and promises no more
    /// (`docs/disk-format.md`), so that ext4 on any such disk can lose its superblock, and has
    /// copies of it for that. What is judged then is the rest of the file system.
    fn before_tear(&self, bytes: &[u8], at: usize) -> Option<Vec<u8>> {
        let now = &bytes[SUPERBLOCK];
        let [old, new] = self
            .log
            .extremes(at)
            .map(|image| disk(self.base, image.bytes).map(|bytes| bytes[SUPERBLOCK].to_vec()));
        let (old, new) = (old.ok()?, new.ok()?);
        let mixed = |a: &[u8], b: &[u8]| now[..512] == a[..512] && now[512..] == b[512..];
        let whole = now == old || now == new;
        (!whole && (mixed(&old, &new) || mixed(&new, &old))).then_some(old)
    }
}

#[test]
fn synced_files_survive_every_crash() {
    let name = "crash states of a guest's file system";
    let Some(tools) = Tools::find(name) else {
        return;
    };
    let seed = seed(name);
    let states = setting("VIRTARIUM_CRASHES").unwrap_or(if soak() { 10_000 } else { 200 });
    let dir = tempfile::tempdir_in(scratch()).expect("a directory for images");
    let file = dir.path().join("base");
    tools.make(&file, SIZE);
    let base = MemBase {
        id: BaseId([1; 32]),
        bytes: std::fs::read(&file).expect("the image just made"),
    };
    let workload = Workload::new(Rng::new(seed));
    let mut log = record(&base, &workload);
    let flushes = log.events.iter().filter(|event| **event == Event::Flush);
    let (events, flushes) = (log.events.len(), flushes.count());
    println!("{events} events, {flushes} of them flushes");

    let judged = |log: &Log, count: u64| -> (Vec<String>, u64) {
        let ground = Ground {
            tools,
            base: &base,
            workload: &workload,
            log,
            torn: AtomicU64::new(0),
        };
        let shard = |k: usize| {
            let (ground, dir) = (&ground, dir.path());
            move || -> Vec<String> {
                let dir = dir.join(format!("{k}"));
                std::fs::create_dir_all(&dir).expect("a directory for images");
                let images = ground.log.crashes(seed, count as usize).shard(k, 2);
                images
                    .filter_map(|image| ground.judge(image, &dir).err())
                    .collect()
            }
        };
        let wrong = std::thread::scope(|scope| {
            let other = scope.spawn(shard(1));
            let mut wrong = shard(0)();
            wrong.extend(other.join().expect("a thread of ours"));
            wrong
        });
        (wrong, ground.torn.into_inner())
    };
    let (wrong, torn) = judged(&log, states);
    assert!(
        wrong.is_empty(),
        "{} of {states}: {}",
        wrong.len(),
        wrong[0]
    );
    counted(name, states);
    counted("of these, between the sectors of ext4's superblock", torn);
    assert!(torn <= 5 + states / 200, "{torn} is more than by chance");

    // The same file under a host that forgets what it promised: that must be found out.
    log.events.retain(|event| *event != Event::Flush);
    let (wrong, _) = judged(&log, 20);
    println!("without flushes {} of 20 states are wrong", wrong.len());
    assert!(wrong.len() > 5, "lost writes are not found");
}
