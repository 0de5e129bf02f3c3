//! The same image in QEMU.
//!
//! Guest memory is a file that both sides see: QEMU starts on the image that lies there, and
//! leaves the results in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use virtarium_machine::mem::RAM_BASE;

use super::layout::RAM_SIZE;

const PROGRAM: &str = "qemu-system-riscv64";

/// The machine's extensions, and no others: what is illegal here has to be illegal there.
const CPU: &str = "rv64i,m=on,a=on,f=on,d=on,c=on,s=on,u=on,b=on,zicsr=on,zifencei=on,\
    zicntr=on,zihpm=on,zba=on,zbb=on,zbs=on,zicond=on,zicbom=on,zicboz=on,zicbop=on,\
    zihintpause=on,zawrs=on,sstc=on,svade=on,svadu=on,svinval=on,svnapot=on,svpbmt=on,\
    mmu=on,pmp=on,sv57=on,pmu-mask=0xfffffff8,priv_spec=v1.13.0";

/// How long a batch may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(300);

/// The oldest major version with all of these extensions.
const OLDEST: u32 = 9;

/// Why there is no QEMU to compare with, in words; or its version.
pub fn version() -> Result<String, String> {
    let output = Command::new(PROGRAM).arg("--version").output();
    let output = output.map_err(|error| format!("{PROGRAM}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(3).unwrap_or("").to_owned();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST => Ok(version),
        _ => Err(format!(
            "{PROGRAM} is version {version:?}, {OLDEST} is the oldest that has all extensions"
        )),
    }
}

/// Guest memory in a file, which goes when this does.
struct Memory(PathBuf);

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs an image, which begins with RAM, until it uses the test finisher, and returns `len`
/// bytes from `from` on.
///
/// # Panics
/// Where QEMU cannot be run, or the image does not end by itself.
pub fn run(image: &[u8], from: u64, len: usize) -> Vec<u8> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("virtarium-random-{}-{n}", std::process::id());
    // Memory that is a file is best kept in memory.
    let shared = PathBuf::from("/dev/shm");
    let folder = if shared.is_dir() {
        shared
    } else {
        std::env::temp_dir()
    };
    let memory = Memory(folder.join(name));
    let mut file = create(&memory.0);
    file.set_len(RAM_SIZE).expect("room for guest memory");
    file.write_all(image).expect("room for guest memory");
    let backend = format!(
        "memory-backend-file,id=ram,size={RAM_SIZE},share=on,mem-path={}",
        memory.0.display()
    );
    let mut child = Command::new(PROGRAM)
        .args(["-M", "virt,memory-backend=ram", "-object", &backend])
        .args(["-m", &format!("{}M", RAM_SIZE >> 20), "-cpu", CPU])
        // Room for a second hart makes QEMU translate atomic operations as such, not as a load
        // and a store that trap as these do.
        .args(["-smp", "1,maxcpus=2"])
        .args(["-bios", "none", "-display", "none", "-monitor", "none"])
        .args(["-serial", "none", "-no-reboot"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("qemu-system-riscv64");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break Some(status);
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut read = |from: u64, len: usize| {
        let mut bytes = vec![0; len];
        file.seek(SeekFrom::Start(from - RAM_BASE)).expect("in RAM");
        file.read_exact(&mut bytes).expect("in RAM");
        bytes
    };
    if !status.is_some_and(|status| status.success()) {
        let left = read(super::layout::GLOBALS + 16, 8);
        panic!("QEMU ended with {status:?}; blocks left, low byte first: {left:?}");
    }
    read(from, len)
}

fn create(path: &PathBuf) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.open(path).expect("a file for guest memory")
}
