//! Requests that the host answers at once, in time, late, or never.

use super::super::testing::{Recorder, bare_config, build, inst};
use super::*;
use crate::host::{BlockRequest, SECTOR_SIZE};
use crate::virtio::BlockConfig;

const RING: u64 = RAM_BASE + 0x1_0000;
const AVAIL: u64 = RING + 0x1000;
const USED: u64 = RING + 0x2000;
const HEADER: u64 = RING + 0x3000;
const BUFFER: u64 = RING + 0x4000;
const STATUS: u64 = RING + 0x5000;
const POKES: u64 = RAM_BASE + 0x8000;
const REGISTERS: u64 = 0x1000_1000;

/// A guest that writes the registers as a table says, and then counts for ever.
fn guest() -> Machine {
    guest_by(Clock::Deterministic)
}

/// The same by this clock.
fn guest_by(clock: Clock) -> Machine {
    let code = [
        inst(Op::Auipc, T2, 0, 0, 0x8000),
        inst(Op::Ld, T0, T2, 0, 0),
        inst(Op::Ld, T1, T2, 0, 8),
        inst(Op::Beq, 0, T0, 0, 16),
        inst(Op::Sw, 0, T0, T1, 0),
        inst(Op::Addi, T2, T2, 0, 16),
        inst(Op::Jal, 0, 0, 0, -20),
        // Counts until the used ring has an entry, and then on in another register.
        inst(Op::Lui, T0, 0, 0, 0x1_2000),
        inst(Op::Addi, T1, 0, 0, 1),
        inst(Op::Slli, T1, T1, 0, 31),
        inst(Op::Add, T0, T0, T1, 0),
        inst(Op::Addi, 20, 20, 0, 1),
        inst(Op::Lhu, T1, T0, 0, 2),
        inst(Op::Beq, 0, T1, 0, -8),
        inst(Op::Addi, 21, 21, 0, 1),
        inst(Op::Jal, 0, 0, 0, -4),
    ];
    let mut config = bare_config(&code, 1);
    config.clock = clock;
    let disk = BlockConfig {
        sectors: 64,
        ..BlockConfig::default()
    };
    config.slots.push(SlotConfig {
        slot: 0,
        device: DeviceConfig::Block(disk),
    });
    let mut machine = build(config);
    rings(&mut machine);
    machine
}

/// One read of sector 3, and the registers that start the device (virtio 1.2, 3.1.1, 4.2.3.2).
fn rings(machine: &mut Machine) {
    let low = |address: u64| address & 0xffff_ffff;
    let pokes = [
        (0x70, 1),
        (0x70, 3),
        (0x24, 1),
        (0x20, 1),
        (0x70, 0xb),
        (0x30, 0),
        (0x38, 8),
        (0x80, low(RING)),
        (0x90, low(AVAIL)),
        (0xa0, low(USED)),
        (0x44, 1),
        (0x70, 0xf),
        (0x50, 0),
    ];
    let memory = machine.memory();
    for (nth, (register, value)) in (0..).zip(pokes) {
        let at = POKES + 16 * nth;
        memory.store(PhysAddr(at), REGISTERS + register).unwrap();
        memory.store(PhysAddr(at + 8), value).unwrap();
    }
    for (nth, address, len, flags, next) in [
        (0, HEADER, 16_u32, 1_u16, 1_u16),
        (1, BUFFER, SECTOR_SIZE as u32, 3, 2),
        (2, STATUS, 1, 2, 0),
    ] {
        let at = RING + 16 * nth;
        memory.store(PhysAddr(at), address).unwrap();
        memory.store(PhysAddr(at + 8), len).unwrap();
        memory.store(PhysAddr(at + 12), flags).unwrap();
        memory.store(PhysAddr(at + 14), next).unwrap();
    }
    memory.store(PhysAddr(HEADER + 8), 3_u64).unwrap();
    memory.store(PhysAddr(STATUS), 0xff_u8).unwrap();
    memory.store(PhysAddr(AVAIL + 2), 1_u16).unwrap();
}

fn sector() -> Vec<u8> {
    (0..SECTOR_SIZE).map(|byte| byte as u8 ^ 0x5a).collect()
}

/// Runs to this count, whatever the slices; completes what is asked for when it has waited.
fn run_to(machine: &mut Machine, count: u64, slice: u64, host: &mut Recorder) -> u64 {
    let mut waits = 0;
    while machine.instructions() < count {
        let left = count - machine.instructions();
        if machine.run(slice.min(left), Nanos(0), host) == Exit::Waiting {
            waits += 1;
            // It stands still.
            let before = machine.instructions();
            assert_eq!(machine.run(100, Nanos(0), host), Exit::Waiting);
            assert_eq!(machine.instructions(), before);
            let (token, _) = host.requests[0];
            machine.complete(token, Ok(sector()));
        }
    }
    waits
}

const END: u64 = 20_000;

#[test]
fn state_does_not_depend_on_when_the_host_answers() {
    // At once.
    let mut prompt = guest();
    let host = &mut Recorder::default();
    host.answers.push_back(Ok(sector()));
    assert_eq!(run_to(&mut prompt, END, 1000, host), 0);
    let request = BlockRequest::Read {
        sector: 3,
        len: SECTOR_SIZE,
    };
    assert_eq!(host.requests.len(), 1);
    assert_eq!(host.requests[0].1, request);
    let mut bytes = alloc::vec![0; SECTOR_SIZE as usize];
    prompt.memory().read(PhysAddr(BUFFER), &mut bytes).unwrap();
    assert_eq!(bytes, sector());
    assert_eq!(prompt.memory().load(PhysAddr(STATUS)), Ok(0_u8));
    // The latency is that of the configuration: some thousand instructions.
    let latency = prompt.config().latency;
    let ticks = latency.base.0 + SECTOR_SIZE / latency.bytes_per_tick;
    let waited = 3 * prompt.x(0, 20);
    let expected = ticks * prompt.config().instructions_per_tick;
    assert!(waited.abs_diff(expected) < 100, "{waited} {expected}");
    let digest = prompt.digest();

    for slice in [7, 1000, END] {
        // In time.
        let mut machine = guest();
        let host = &mut Recorder::default();
        run_to(&mut machine, 500, slice, host);
        let (token, _) = host.requests[0];
        machine.complete(token, Ok(sector()));
        assert_eq!(run_to(&mut machine, END, slice, host), 0);
        assert_eq!(machine.digest(), digest, "in time, {slice}");
        // Late.
        let mut machine = guest();
        let host = &mut Recorder::default();
        assert_eq!(run_to(&mut machine, END, slice, host), 1);
        assert_eq!(machine.digest(), digest, "late, {slice}");
    }
}

#[test]
fn by_the_hosts_clock_an_idle_guest_sleeps_until_its_disk_answers() {
    let mut machine = guest_by(Clock::Host);
    // Where it would count it waits for an interrupt.
    let sleep = [inst(Op::Wfi, 0, 0, 0, 0), inst(Op::Jal, 0, 0, 0, -4)];
    for (at, word) in (RAM_BASE + 28..).step_by(4).zip(sleep) {
        machine.memory().store(PhysAddr(at), word).unwrap();
    }
    let host = &mut Recorder::default();
    // Until the disk's latency is over that is the next that can happen.
    let exit = machine.run(10_000, Nanos(0), host);
    assert!(matches!(exit, Exit::Idle { until: Some(_) }), "{exit:?}");
    // From then on, however late it gets, nothing is before the answer.
    for now in [1_000_000, 1_000_000_000] {
        let exit = machine.run(10_000, Nanos(now), host);
        assert_eq!(exit, Exit::Idle { until: None }, "{now}");
    }
    let (token, _) = host.requests[0];
    machine.complete(token, Ok(sector()));
    machine.run(10_000, Nanos(1_000_000_000), host);
    assert_eq!(machine.statistics().completions, 1);
}

#[test]
fn reset_abandons_what_is_under_way() {
    let mut machine = guest();
    let host = &mut Recorder::default();
    assert_eq!(machine.run(END, Nanos(0), host), Exit::Waiting);
    let (token, _) = host.requests[0];
    machine.reset(host).unwrap();
    assert_eq!(host.abandoned, [token]);
    // A result that comes all the same is ignored, and the next request has another name.
    machine.complete(token, Ok(sector()));
    rings(&mut machine);
    assert_eq!(machine.run(END, Nanos(0), host), Exit::Waiting);
    assert_eq!(host.requests.len(), 2);
    assert_ne!(host.requests[1].0, token);
}

#[test]
fn machine_waits_for_what_a_disk_writes_when_it_is_reset() {
    let mut machine = guest();
    // VIRTIO_BLK_T_OUT, from a buffer that the device reads.
    let memory = machine.memory();
    memory.store(PhysAddr(HEADER), 1_u32).unwrap();
    memory.store(PhysAddr(RING + 16 + 12), 1_u16).unwrap();
    let host = &mut Recorder::default();
    assert_eq!(machine.run(END, Nanos(0), host), Exit::Waiting);
    let (token, request) = host.requests[0].clone();
    assert!(request.changes());
    machine.reset(host).unwrap();
    assert!(host.abandoned.is_empty());
    for _ in 0..2 {
        assert_eq!(machine.run(END, Nanos(0), host), Exit::Waiting);
        assert_eq!(machine.instructions(), 0);
    }
    machine.complete(token, Ok(Vec::new()));
    assert_eq!(machine.run(100, Nanos(0), host), Exit::Budget);
    assert_eq!(machine.instructions(), 100);
}

#[test]
fn sector_that_is_read_over_code_is_executed() {
    let mut machine = guest();
    let host = &mut Recorder::default();
    // Into the loop that counts, which is decoded by then: `addi x22, x22, 1` everywhere.
    let at = RAM_BASE + 14 * 4;
    machine
        .memory()
        .store(PhysAddr(RING + 16), at & !511)
        .unwrap();
    let word = inst(Op::Addi, 22, 22, 0, 1);
    let mut bytes: Vec<u8> = word.to_le_bytes().repeat(SECTOR_SIZE as usize / 4);
    let last = inst(Op::Jal, 0, 0, 0, -4);
    bytes[508..].copy_from_slice(&last.to_le_bytes());
    host.answers.push_back(Ok(bytes));
    machine.run(END, Nanos(0), host);
    assert!(machine.x(0, 22) > 1000);
}
