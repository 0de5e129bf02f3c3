//! Guest (a) writes files to an ext4 file system and syncs them until its machine is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use virtarium::host::block::file::RawFile;
use virtarium::host::block::overlay::OverlayDisk;
use virtarium::host::block::{Backend, ImageFormat};
use virtarium_tests::ext4::{Tools, scratch};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, setting, soak};

use crate::{Victim, contents, create};

/// MiB of the file system.
const SIZE: u64 = 16;
/// A file is removed when so many younger ones are there.
const KEPT: u64 = 30;
/// Reports after which a machine is killed at the latest.
const REPORTS: u64 = 25;

/// What is under the guest's disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Under {
    /// An overlay as the program makes it.
    Overlay,
    /// An overlay whose journal is emptied every few flushes.
    SmallJournal,
    /// The image itself.
    Raw,
}

/// Bytes of the n-th file.
fn len(n: u64) -> u64 {
    n * 7919 % 30_000 + 1
}

fn file(n: u64) -> Vec<u8> {
    let name = format!("{n}:").into_bytes();
    name.into_iter().cycle().take(len(n) as usize).collect()
}

/// `/f<n>` is written and synced; `/last` is replaced by a rename, which a commit of the journal
/// makes stable, whoever asks for it; and there are files that come and go without a sync.
fn script() -> String {
    format!(
        "mount -t ext4 /dev/vda /mnt; cd /mnt; n=0; \
         w() {{ yes $n: | tr -d '\\012' | head -c $1; }}; \
         s() {{ dd of=$1 bs=$2 conv=fsync 2>/dev/null; }}; \
         while n=$((n+1)); do l=$((n*7919%30000+1)); \
         w 9000 >u$n; rm -f u$((n-3)); \
         w $l | s f$n 4k && w $l | s new 1k && mv new last && \
         if [ $((n%2)) = 0 ]; then sync; else echo | s tick 1; fi && \
         rm -f f$((n-{KEPT})) && echo SYNCED $n || exit 1; done"
    )
}

struct Place {
    tools: Tools,
    base: PathBuf,
    dir: PathBuf,
}

impl Place {
    fn disk(&self, under: Under) -> String {
        let (own, base) = (self.dir.join("disk"), self.base.display());
        match under {
            Under::Raw => {
                std::fs::copy(&self.base, &own).expect("room for an image");
                own.display().to_string()
            }
            Under::SmallJournal => {
                create(&self.base, &own, 16);
                format!("{base},overlay={}", own.display())
            }
            Under::Overlay => {
                let _ = std::fs::remove_file(&own);
                format!("{base},overlay={}", own.display())
            }
        }
    }

    /// Lets a machine work and kills it. Returns the last file that it reported as synced.
    fn kill(&self, under: Under, rng: &mut Rng) -> u64 {
        let child = Command::new(env!("CARGO_BIN_EXE_virtarium"))
            .args(["run", "--quiet", "--clock", "deterministic"])
            .args(["--timeout", "10m", "--block", &self.disk(under)])
            .args(["--append", &format!("virtarium.run=\"{}\"", script())])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let number = 1 + rng.below(REPORTS);
        let delay = Duration::from_micros(rng.below(50_000));
        Victim::new(child, "SYNCED ").kill(number, delay)
    }

    /// What is wrong with the file system that is left.
    fn judge(&self, under: Under, reported: u64) -> Result<(), String> {
        let (left, image) = (self.dir.join("disk"), self.dir.join("image"));
        let mut disk: Box<dyn Backend> = match under {
            Under::Raw => Box::new(RawFile::open(&left, true, true).expect("an image")),
            _ => Box::new(
                OverlayDisk::open(&self.base, ImageFormat::Raw, &left)
                    .map_err(|e| e.to_string())?,
            ),
        };
        std::fs::write(&image, contents(&mut *disk)).expect("room for an image");
        self.tools.replay(&image)?;
        self.tools.check(&image)?;
        // The file after the last may have been synced, and another removed for it.
        let sure = (reported + 2).saturating_sub(KEPT).max(1)..=reported;
        let mut paths: Vec<String> = sure.clone().map(|n| format!("/f{n}")).collect();
        paths.push("/last".to_owned());
        let mut found = self.tools.read(&image, &paths, &self.dir);
        let last = found.pop().flatten();
        for (n, found) in sure.zip(found) {
            if found != Some(file(n)) {
                return Err(format!("/f{n} is not what was synced"));
            }
        }
        match [reported, reported + 1].map(file).map(Some).contains(&last) {
            true => Ok(()),
            false => Err("/last is no version that was synced".to_owned()),
        }
    }
}

/// Half of the kills are of machines with a small journal. Beside them some have no overlay.
fn plan(kills: u64) -> Vec<Under> {
    let overlays = (0..kills).map(|nth| match nth % 2 {
        0 => Under::SmallJournal,
        _ => Under::Overlay,
    });
    let raw = (0..kills.div_ceil(10)).map(|_| Under::Raw);
    overlays.chain(raw).collect()
}

fn run(tools: Tools, base: &Path, dir: &Path, under: Under, seed: u64, nth: u64) {
    let dir = dir.join(format!("{nth}"));
    std::fs::create_dir(&dir).expect("a directory for a disk");
    let place = Place {
        tools,
        base: base.to_owned(),
        dir: dir.clone(),
    };
    let reported = place.kill(under, &mut Rng::case(seed, nth));
    println!("kill {nth}, {under:?}: {reported} files synced");
    if let Err(why) = place.judge(under, reported) {
        panic!("kill {nth} of seed {seed:#x}, {under:?}, {reported} files synced: {why}");
    }
    std::fs::remove_dir_all(&dir).expect("a directory of ours");
}

#[test]
fn synced_files_survive_the_end_of_the_program() {
    let name = "kills of a machine that writes files";
    let Some(tools) = Tools::find(name) else {
        return;
    };
    let seed = seed(name);
    let kills = setting("VIRTARIUM_KILLS").unwrap_or(if soak() { 100 } else { 5 });
    let dir = tempfile::tempdir_in(scratch()).expect("a directory for images");
    let base = dir.path().join("base");
    tools.make(&base, SIZE);
    let plan = plan(kills);
    let worker = |k: usize| {
        for (nth, under) in plan.iter().enumerate().skip(k).step_by(2) {
            run(tools, &base, dir.path(), *under, seed, nth as u64);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| worker(1));
        worker(0);
        other.join().expect("the other half");
    });
    counted(name, kills);
}
