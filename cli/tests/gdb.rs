//! The server for gdb, spoken to in its own protocol (gdb's manual, "Remote Protocol").

mod kernels;
mod served;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A machine that waits for gdb, and the connection to it.
struct Session {
    server: served::Server,
    stream: TcpStream,
}

impl Session {
    fn start(kernel: kernels::Kernel) -> Self {
        Self::with(kernel, &[])
    }

    fn with(kernel: kernels::Kernel, options: &[&str]) -> Self {
        let server = served::Server::start(kernel, options);
        let stream = server.connect();
        Self { server, stream }
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
    // gdb believes that the store is still to be made, and steps over it.
    let behind = gdb.pc();
    assert_eq!(gdb.ask("vCont;s:1"), "T05thread:01;");
    assert_eq!(gdb.pc(), behind);
    assert_eq!(gdb.ask("vCont;s:1"), "T05thread:01;");
    assert_ne!(gdb.pc(), behind);
}

#[test]
fn interrupt_stops_a_running_machine_and_kill_ends_it() {
    let mut gdb = Session::start(kernels::spins());
    write!(gdb.stream, "$c#63").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    gdb.stream.write_all(&[3]).unwrap();
    assert!(gdb.answer().starts_with("T02thread:01;"));
    assert!(gdb.pc() >= 0x8000_0010);
    write!(gdb.stream, "$k#6b").unwrap();
    assert_eq!(gdb.server.wait().code(), Some(0));
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

#[test]
fn stop_names_its_hart_and_each_hart_has_registers() {
    let mut gdb = Session::with(kernels::counts(), &["--cpus", "3"]);
    assert_eq!(gdb.ask("qfThreadInfo"), "m01,02,03");
    // Only hart 2 goes on, to the second instruction of the loop.
    assert_eq!(gdb.ask("Z0,80000004,4"), "OK");
    assert_eq!(gdb.ask("vCont;c:3"), "T05thread:03;swbreak:;");
    for (thread, counted) in [(1, 0), (2, 0), (3, 1)] {
        assert_eq!(gdb.ask(&format!("Hg{thread}")), "OK");
        assert_eq!(gdb.ask("p1c"), format!("{counted:02x}00000000000000"));
        // mhartid
        assert_eq!(gdb.ask("pf55"), format!("{:02x}00000000000000", thread - 1));
    }
    // One step of hart 1, while the others run or stand.
    assert_eq!(gdb.ask("z0,80000004,4"), "OK");
    assert_eq!(gdb.ask("vCont;s:2"), "T05thread:02;");
    assert_eq!(gdb.ask("Hg3"), "OK");
    assert_eq!(gdb.ask("p1c"), "0100000000000000");
    // It is hart 1's turn: hart 2 has its own before hart 0 has one.
    assert_eq!(gdb.ask("vCont;s:1;c"), "T05thread:01;");
    assert_eq!(gdb.ask("Hg3"), "OK");
    assert_ne!(gdb.ask("p1c"), "0100000000000000");
    assert_eq!(gdb.ask("T4"), "E01");
    assert_eq!(gdb.ask("Hg4"), "OK");
    assert!(gdb.ask("g").starts_with('E'), "there is no such hart");
}

#[test]
fn breakpoint_is_set_while_the_machine_runs() {
    let mut gdb = Session::start(kernels::spins());
    write!(gdb.stream, "$vCont;c#a8").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(gdb.ask("Z0,80000014,4"), "OK");
    assert_eq!(gdb.answer(), "T05thread:01;swbreak:;");
    assert_eq!(gdb.pc(), 0x8000_0014);
    assert_eq!(gdb.ask("Z1,80000010,4"), "OK");
    assert_eq!(gdb.ask("vCont;c"), "T05thread:01;hwbreak:;");
}

#[test]
fn interrupt_that_comes_too_late_is_forgotten() {
    let mut gdb = Session::start(kernels::spins());
    assert_eq!(gdb.ask("vCont;s:1"), "T05thread:01;");
    gdb.stream.write_all(&[3]).unwrap();
    let first = gdb.pc();
    assert_eq!(gdb.ask("vCont;s:1"), "T05thread:01;");
    assert_ne!(gdb.pc(), first);
}

#[test]
fn another_gdb_is_served_after_one_that_is_gone() {
    let mut gdb = Session::start(kernels::spins());
    for way in 0..3 {
        assert_eq!(gdb.ask("Z0,80000010,4"), "OK");
        assert_eq!(gdb.ask("vCont;c"), "T05thread:01;swbreak:;");
        match way {
            // In order, stopped without a word, and in the middle of a packet while it runs.
            0 => assert_eq!(gdb.ask("D"), "OK"),
            1 => {}
            _ => {
                assert_eq!(gdb.ask("z0,80000010,4"), "OK");
                write!(gdb.stream, "$vCont;c#a8$m8000").unwrap();
            }
        }
        // A breakpoint that was left behind would stop the machine for nobody.
        let before = gdb.server.connect();
        gdb.stream = before;
        assert!(gdb.ask("?").starts_with("T05"));
        assert!((0x8000_0010..=0x8000_0014).contains(&gdb.pc()));
    }
}

#[test]
#[cfg(unix)]
fn signal_and_time_end_a_machine_that_is_stopped() {
    let mut gdb = Session::start(kernels::spins());
    assert!(gdb.ask("?").starts_with("T05"));
    gdb.server.signal("TERM");
    assert_eq!(gdb.server.wait().code(), Some(128 + 15));
    let mut gdb = Session::with(kernels::spins(), &["--timeout", "3"]);
    assert!(gdb.ask("?").starts_with("T05"));
    assert_eq!(gdb.server.wait().code(), Some(124));
}

#[test]
fn kill_that_wants_an_answer_has_one() {
    let mut gdb = Session::start(kernels::spins());
    assert_eq!(gdb.ask("vKill;1"), "OK");
    assert_eq!(gdb.server.wait().code(), Some(0));
}

#[test]
fn end_of_the_machine_is_told() {
    let mut gdb = Session::start(kernels::exits(7));
    assert_eq!(gdb.ask("vCont;c"), "W07");
    assert_eq!(gdb.server.wait().code(), Some(7));
}
