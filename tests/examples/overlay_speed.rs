//! How fast an overlay is beside a raw file, on this host: the same requests to both.
//!
//! `cargo run --profile fast -p virtarium-tests --example overlay_speed [DIR [MIB]]` writes two
//! files of MIB (256) into DIR (the current one) and removes them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use virtarium_backends::disk::{NoBase, Overlay, OverlayOptions, Store, StoreError};
use virtarium_machine::host::BlockRequest;
use virtarium_tests::random::Rng;

struct FileStore(File);

fn io<T>(result: std::io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|_| StoreError::Io)
}

impl Store for FileStore {
    fn read(&mut self, at: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        io(self.0.read_exact_at(buf, at))
    }

    fn write(&mut self, at: u64, data: &[u8]) -> Result<(), StoreError> {
        io(self.0.write_all_at(data, at))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        io(self.0.sync_data())
    }

    fn len(&mut self) -> Result<u64, StoreError> {
        io(self.0.metadata()).map(|metadata| metadata.len())
    }

    fn set_len(&mut self, len: u64) -> Result<(), StoreError> {
        io(self.0.set_len(len))
    }
}

fn create(path: &Path) -> FileStore {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path);
    FileStore(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// One of the workloads: sector numbers, bytes of a request, requests between two flushes.
struct Load {
    name: &'static str,
    bytes: usize,
    per_flush: usize,
    reads: bool,
    sectors: Vec<u64>,
}

fn loads(size: u64) -> Vec<Load> {
    let sequential = |bytes: u64| (0..size / bytes).map(|i| i * bytes / 512).collect();
    let random = |count: u64| {
        let mut rng = Rng::new(1);
        (0..count).map(|_| rng.below(size / 4096) * 8).collect()
    };
    let load = |name, bytes, per_flush, reads, sectors| Load {
        name,
        bytes,
        per_flush,
        reads,
        sectors,
    };
    vec![
        load(
            "first write, random, 4 KiB",
            4096,
            1000,
            false,
            random(20_000),
        ),
        load(
            "first write, sequential, 128 KiB",
            128 << 10,
            1000,
            false,
            sequential(128 << 10),
        ),
        load(
            "write again, sequential, 128 KiB",
            128 << 10,
            1000,
            false,
            sequential(128 << 10),
        ),
        load(
            "write again, random, 4 KiB",
            4096,
            1000,
            false,
            random(50_000),
        ),
        load(
            "write again, 4 KiB, flush each",
            4096,
            1,
            false,
            random(200),
        ),
        load(
            "read, sequential, 128 KiB",
            128 << 10,
            1000,
            true,
            sequential(128 << 10),
        ),
        load("read, random, 4 KiB", 4096, 1000, true, random(50_000)),
    ]
}

fn raw(store: &mut FileStore, load: &Load) {
    let data = vec![0x5a; load.bytes];
    for (i, sector) in load.sectors.iter().enumerate() {
        let at = sector * 512;
        if load.reads {
            let mut buf = vec![0; load.bytes];
            store.read(at, &mut buf).expect("the file can be read");
        } else {
            store.write(at, &data).expect("the file can be written");
            if (i + 1) % load.per_flush == 0 {
                store.flush().expect("the file can be flushed");
            }
        }
    }
    store.flush().expect("the file can be flushed");
}

fn overlay(disk: &mut Overlay<FileStore, NoBase>, load: &Load) {
    let mut request = BlockRequest::Write {
        sector: 0,
        data: vec![0x5a; load.bytes],
    };
    for (i, at) in load.sectors.iter().enumerate() {
        if load.reads {
            let (sector, len) = (*at, load.bytes as u64);
            let read = BlockRequest::Read { sector, len };
            disk.execute(&read).expect("the file can be read");
        } else {
            if let BlockRequest::Write { sector, .. } = &mut request {
                *sector = *at;
            }
            disk.execute(&request).expect("the file can be written");
            if (i + 1) % load.per_flush == 0 {
                disk.flush().expect("the file can be flushed");
            }
        }
    }
    disk.flush().expect("the file can be flushed");
}

fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".into());
    let mib = arguments.next().map_or(256, |text| {
        text.parse()
            .expect("the second argument is a number of MiB")
    });
    let size: u64 = mib << 20;
    let names = ["overlay_speed.raw", "overlay_speed.overlay"];
    let [raw_path, overlay_path] = names.map(|name| Path::new(&directory).join(name));
    let mut file = create(&raw_path);
    file.set_len(size).expect("the file can be extended");
    let options = OverlayOptions {
        size: Some(size),
        ..OverlayOptions::default()
    };
    let disk = Overlay::create(create(&overlay_path), NoBase, &options);
    let mut disk = disk.expect("the overlay can be created");
    println!(
        "{:34} {:>8} {:>8} {:>6}",
        "seconds", "raw", "overlay", "ratio"
    );
    for load in loads(size) {
        let plain = seconds(|| raw(&mut file, &load));
        let ours = seconds(|| overlay(&mut disk, &load));
        println!(
            "{:34} {plain:8.3} {ours:8.3} {:6.2}",
            load.name,
            ours / plain
        );
    }
    println!("{:?}", disk.summary());
    for path in [raw_path, overlay_path] {
        std::fs::remove_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
