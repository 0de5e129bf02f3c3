//! The server for gdb, spoken to in its own protocol (gdb's manual, "Remote Protocol").

mod kernels;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A machine that waits for gdb, and the connection to it.
struct Session {
    child: Child,
    stream: TcpStream,
    _dir: tempfile::TempDir,
}

impl Session {
    fn start(kernel: kernels::Kernel) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("k"), kernel.image()).unwrap();
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(env!("CARGO_BIN_EXE_virtarium"))
            .args(["run", "--bios", "none", "--kernel", "k", "-S", "--gdb"])
            .arg(port.to_string())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        Self {
            child,
            stream,
            _dir: dir,
        }
    }

    /// Sends a packet and returns the answer.
    fn ask(&mut self, text: &str) -> String {
        let sum = text.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${text}#{sum:02x}").unwrap();
        self.answer()
    }

    /// The next packet, acknowledged.
    fn answer(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        let mut inside = false;
        loop {
            self.stream.read_exact(&mut byte).unwrap();
            match byte[0] {
                b'$' => inside = true,
                b'#' if inside => break,
                byte if inside => text.push(byte),
                _ => {}
            }
        }
        self.stream.read_exact(&mut [0; 2]).unwrap();
        self.stream.write_all(b"+").unwrap();
        expand(&text)
    }

    /// The program counter: gdb's register 32.
    fn pc(&mut self) -> u64 {
        let answer = self.ask("p20");
        u64::from_str_radix(&answer, 16).unwrap().swap_bytes()
    }
}

/// Undoes the run-length encoding: `*` and a character that is 29 above the number of repetitions.
fn expand(text: &[u8]) -> String {
    let mut out = String::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match (byte, out.chars().next_back()) {
            (b'*', Some(last)) => {
                let count = bytes.next().map_or(0, |count| count.saturating_sub(29));
                out.extend((0..count).map(|_| last));
            }
            (byte, _) => out.push(char::from(*byte)),
        }
    }
    out
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn machine_is_stopped_at_its_start_and_steps() {
    let mut gdb = Session::start(kernels::spins());
    assert!(gdb.ask("?").starts_with(['S', 'T']));
    let first = gdb.pc();
    assert!(gdb.ask("s").starts_with(['S', 'T']));
    assert_ne!(gdb.pc(), first);
}

#[test]
fn breakpoint_stops_where_it_is_and_memory_and_registers_can_be_changed() {
    let mut gdb = Session::start(kernels::spins());
    // The loop: addi t0, t0, 1 at 0x80000010.
    assert_eq!(gdb.ask("Z0,80000010,4"), "OK");
    let stop = gdb.ask("c");
    assert!(
        stop.starts_with("T05") && stop.contains("swbreak"),
        "{stop}"
    );
    assert_eq!(gdb.pc(), 0x8000_0010);
    assert_eq!(gdb.ask("m80000010,4"), "93821200");
    // t0, and a CSR: mscratch is 65 + 0x340.
    for register in ["5", "381"] {
        assert_eq!(gdb.ask(&format!("P{register}=8877665544332211")), "OK");
        assert_eq!(gdb.ask(&format!("p{register}")), "8877665544332211");
    }
    assert_eq!(gdb.ask("M80001000,2:abcd"), "OK");
    assert_eq!(gdb.ask("m80001000,4"), "abcd0000");
    assert!(gdb.ask("m0,4").starts_with('E'), "nothing is there");
    // Once round the loop.
    assert_eq!(gdb.ask("z0,80000010,4"), "OK");
    gdb.ask("s");
    assert_eq!(gdb.ask("Z0,80000010,4"), "OK");
    gdb.ask("c");
    assert_eq!(gdb.ask("p5"), "8977665544332211");
}

#[test]
fn watchpoint_stops_after_the_store() {
    // sw t1, 0(t2) with t2 = 0x80002000, for ever.
    let mut gdb = Session::start(kernels::stores(0x8000_2000));
    assert_eq!(gdb.ask("Z2,80002000,4"), "OK");
    let stop = gdb.ask("c");
    assert!(
        stop.contains("watch:") && stop.contains("80002000"),
        "{stop}"
    );
    assert_eq!(gdb.ask("m80002000,4"), "01000000");
}

#[test]
fn interrupt_stops_a_running_machine_and_kill_ends_it() {
    let mut gdb = Session::start(kernels::spins());
    write!(gdb.stream, "$c#63").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    gdb.stream.write_all(&[3]).unwrap();
    assert!(gdb.answer().starts_with("T02") || gdb.pc() >= 0x8000_0010);
    write!(gdb.stream, "$k#6b").unwrap();
    let status = gdb.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn description_names_general_and_control_registers() {
    let mut gdb = Session::start(kernels::spins());
    let mut text = String::new();
    loop {
        let piece = gdb.ask(&format!(
            "qXfer:features:read:target.xml:{:x},7f0",
            text.len()
        ));
        text += &piece[1..];
        if piece.starts_with('l') || piece.len() == 1 {
            break;
        }
    }
    for name in [
        "\"zero\"",
        "\"pc\"",
        "\"ft0\"",
        "\"fcsr\"",
        "\"satp\"",
        "\"mstatus\"",
        "\"priv\"",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
}
