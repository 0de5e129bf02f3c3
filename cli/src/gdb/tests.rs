//! Whatever comes over the connection, the server answers or hangs up, and the next gdb is served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use virtarium_machine::arena::Heap;
use virtarium_machine::boot::{Boot, Firmware};
use virtarium_machine::host::ConsoleId;
use virtarium_machine::machine::{Machine, MachineConfig};
use virtarium_machine::mem::{PhysAddr, RAM_BASE};
use virtarium_tests::notes::counted;
use virtarium_tests::random::{Rng, seed, soak};

use super::session::attend;
use crate::host::clock::Clock;
use crate::run::back::Back;
use crate::run::console::{Consoles, Output};
use crate::run::end::End;
use crate::run::engine::{Engine, Limits};

/// Two harts that count in memory, each for ever.
fn machine() -> Machine {
    // auipc t1, 1; addi t0, t0, 1; sd t0, 0(t1); j -8
    let code = [0x0000_1317_u32, 0x0012_8293, 0x0053_3023, 0xff9f_f06f];
    let kernel = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    let config = MachineConfig {
        ram_size: 1 << 20,
        harts: 2,
        boot: Boot {
            firmware: Firmware::None,
            loads: vec![(RAM_BASE, kernel)],
            ..Boot::default()
        },
        ..MachineConfig::default()
    };
    let storage = Heap::for_ram(config.ram_size).unwrap();
    Machine::new(config, storage).unwrap()
}

/// Has a gdb say all of this and leave. Returns what it heard, and how the machine ended.
fn talk(machine: &mut Machine, words: Vec<u8>) -> (Vec<u8>, Option<End>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let client = std::thread::spawn(move || {
        // The server may have hung up before.
        let _ = client.write_all(&words);
        let _ = client.shutdown(Shutdown::Write);
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut heard = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            match client.read(&mut bytes) {
                Ok(0) | Err(_) => return heard,
                Ok(len) => heard.extend_from_slice(&bytes[..len]),
            }
        }
    });
    let outputs = vec![(ConsoleId::Uart, Output::Screen)];
    let screen = Box::new(std::io::sink());
    let mut back = Back {
        disks: Vec::new(),
        consoles: Consoles::new(outputs, ConsoleId::Uart, screen, None),
        trace: None,
        warnings: Vec::new(),
    };
    let limits = Limits {
        timeout: Some(Duration::from_secs(20)),
        ..Limits::default()
    };
    let mut say = |_: &str| {};
    let mut engine = Engine::new(
        machine,
        &mut back,
        None,
        Clock::Deterministic,
        limits,
        &mut say,
    );
    let end = attend(&mut engine, server);
    (client.join().unwrap(), end)
}

fn packet(body: &[u8]) -> Vec<u8> {
    let sum = body.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    [b"$", body, format!("#{sum:02x}").as_bytes()].concat()
}

fn contains(heard: &[u8], text: &str) -> bool {
    let wanted = text.as_bytes();
    heard.windows(wanted.len()).any(|window| window == wanted)
}

fn below(rng: &mut Rng, most: u64) -> u64 {
    rng.next() % most
}

/// An address, a length or a number that means something, or none of these.
fn number(rng: &mut Rng) -> String {
    let number = match below(rng, 6) {
        0 => below(rng, 80),
        1 => RAM_BASE + below(rng, 0x30),
        2 => RAM_BASE + (1 << 20) - below(rng, 16),
        3 => u64::MAX - below(rng, 16),
        4 => 1 << below(rng, 64),
        _ => return ["", "-1", "xx", "0", "10000000000000000", "g"][below(rng, 6) as usize].into(),
    };
    format!("{number:x}")
}

fn thread(rng: &mut Rng) -> &'static str {
    [
        "1",
        "2",
        "0",
        "-1",
        "p1.1",
        "p1.2",
        "p1.-1",
        "p0.0",
        "p-1.-1",
        "3",
        "ffffffffffffffff",
        "p",
        "",
    ][below(rng, 13) as usize]
}

fn action(rng: &mut Rng) -> String {
    let what = ["c", "s", "C05", "S05", "r80000000,80000008", "t", "x"][below(rng, 7) as usize];
    match below(rng, 3) {
        0 => what.to_owned(),
        _ => format!("{what}:{}", thread(rng)),
    }
}

/// A packet that gdb might send, if not with these numbers.
fn body(rng: &mut Rng) -> Vec<u8> {
    let (one, two) = (number(rng), number(rng));
    let text = match below(rng, 24) {
        0 | 1 => format!("m{one},{two}"),
        2 => format!("M{one},{two}:{}", "a5".repeat(below(rng, 40) as usize)),
        3 => format!("X{one},{two}:}}\x03ab"),
        4 | 5 => format!("Z{},{one},{two}", below(rng, 7)),
        6 => format!("z{},{one},{two}", below(rng, 7)),
        7 => format!("p{one}"),
        8 => format!("P{one}={}", "5a".repeat(below(rng, 12) as usize)),
        9 => "g".to_owned(),
        10 => format!("G{}", "12".repeat(260 + below(rng, 8) as usize)),
        11 => format!(
            "H{}{}",
            ["g", "c", "x"][below(rng, 3) as usize],
            thread(rng)
        ),
        12 => format!("T{}", thread(rng)),
        13 | 14 => format!("vCont;{}", action(rng)),
        15 => format!("vCont;{};{}", action(rng), action(rng)),
        16 => format!("qXfer:features:read:target.xml:{one},{two}"),
        17 => format!("qThreadExtraInfo,{}", thread(rng)),
        18 => format!("qRcmd,{one}"),
        19 => format!("qSupported:multiprocess+;{one};xmlRegisters=i386"),
        20 => [
            "c", "s", "C05", "S05", "D", "D;1", "k", "vKill;1", "!", "R00",
        ][below(rng, 10) as usize]
            .to_owned(),
        21 => [
            "?",
            "vCont?",
            "qC",
            "qfThreadInfo",
            "qsThreadInfo",
            "qAttached",
            "QStartNoAckMode",
        ][below(rng, 7) as usize]
            .to_owned(),
        22 => format!("vFile:open:{one},{two},0"),
        _ => (0..below(rng, 30))
            .map(|_| char::from(rng.next() as u8))
            .collect(),
    };
    let mut body = text.into_bytes();
    if below(rng, 8) == 0 && !body.is_empty() {
        let at = below(rng, body.len() as u64) as usize;
        body[at] = rng.next() as u8;
    }
    body
}

/// What somebody says in one session.
fn words(rng: &mut Rng) -> Vec<u8> {
    let mut words = Vec::new();
    for _ in 0..1 + below(rng, 12) {
        match below(rng, 16) {
            0 => words.push(3),
            1 => words.extend((0..below(rng, 40)).map(|_| rng.next() as u8)),
            2 => words.extend(vec![b'$'; below(rng, 5000) as usize]),
            3 => words.extend(b"$m80000000,4#00"),
            _ => {
                words.push(b'+');
                words.extend(packet(&body(rng)));
            }
        }
    }
    words
}

#[test]
fn hostile_packets_end_in_an_answer_or_in_the_session() {
    let seed = seed("hostile packets to the server for gdb");
    let cases = if soak() { 20_000 } else { 400 };
    let mut machine = machine();
    for case in 0..cases {
        talk(&mut machine, words(&mut Rng::case(seed, case)));
        // Nothing of it stays.
        let polite = [packet(b"?"), packet(b"qfThreadInfo"), packet(b"D")].concat();
        let (heard, end) = talk(&mut machine, polite);
        assert_eq!(end, None, "case {case}");
        for answer in ["$T05thread:01;", "$m01,02#", "$OK#"] {
            assert!(
                contains(&heard, answer),
                "case {case}: {answer} in {heard:?}"
            );
        }
    }
    counted("hostile sessions with the server for gdb", cases);
}

#[test]
fn memory_that_is_read_is_bounded() {
    let mut machine = machine();
    // So that no answer gets shorter on its way.
    let noise: Vec<u8> = (0..1 << 19)
        .map(|nth: u32| ((nth * 37) >> 3) as u8)
        .collect();
    machine
        .memory()
        .write(PhysAddr(RAM_BASE + 0x2000), &noise)
        .unwrap();
    for asked in [
        "m80002000,ffffffffffffffff",
        "m80002000,7ff00",
        "mfffffffffffffff8,40",
    ] {
        let (heard, _) = talk(&mut machine, packet(asked.as_bytes()));
        assert!(
            !heard.is_empty() && heard.len() < 100_000,
            "{asked}: {}",
            heard.len()
        );
    }
}

#[test]
fn breakpoints_without_end_are_refused() {
    let mut machine = machine();
    let many = (0..5000).flat_map(|nth| packet(format!("Z0,{:x},4", 4 * nth).as_bytes()));
    let (heard, _) = talk(&mut machine, many.collect());
    assert!(contains(&heard, "$OK#") && contains(&heard, "$E16#"));
    // The next gdb has all of them again.
    let (heard, _) = talk(&mut machine, packet(b"Z0,80000000,4"));
    assert!(contains(&heard, "$OK#"));
}

#[test]
fn gdb_that_leaves_without_a_word_leaves_the_machine_running() {
    let mut machine = machine();
    let words = [packet(b"Z0,80000004,4"), packet(b"Z2,80001000,8")].concat();
    let (heard, end) = talk(&mut machine, words);
    assert!(contains(&heard, "$OK#9a+$OK#"));
    assert_eq!(end, None);
    let exit = machine.run(
        100_000,
        Default::default(),
        &mut virtarium_machine::host::NoHost,
    );
    assert_eq!(exit, virtarium_machine::machine::Exit::Budget);
}
