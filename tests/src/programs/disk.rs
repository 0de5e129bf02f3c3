//! A driver for a virtio disk that keeps four requests of different lengths under way, waits by
//! polling or in WFI, and takes the bytes that it read into what it writes next. Each has sectors of
//! its own; or all have the same, and the device is reset at times while they are under way. The
//! sectors are beside each other, or spread over the chunks of an image.

use virtarium_machine::isa::Op;
use virtarium_machine::machine::{DeviceConfig, SlotConfig};
use virtarium_machine::virtio::BlockConfig;
use virtarium_tests_wasm::Case;

use super::{MIE, Program, SHARED, TABLES, harts};
use crate::asm::{A, Asm, S, T, ZERO};
use crate::random::Rng;

/// The device in slot 0 and its interrupt.
const DEVICE: u64 = 0x1000_1000;
const PLIC: u64 = 0xc00_0000;
const IRQ: i32 = 1;

// virtio 1.2, 4.2.2: registers.
const DRIVER_FEATURES: i32 = 0x20;
const DRIVER_FEATURES_SEL: i32 = 0x24;
const QUEUE_NUM: i32 = 0x38;
const QUEUE_READY: i32 = 0x44;
const QUEUE_NOTIFY: i32 = 0x50;
const INTERRUPT_STATUS: i32 = 0x60;
const INTERRUPT_ACK: i32 = 0x64;
const STATUS: i32 = 0x70;
const QUEUE_DESC: i32 = 0x80;
const QUEUE_DRIVER: i32 = 0x90;
const QUEUE_DEVICE: i32 = 0xa0;

// The queue, and what its descriptors point at.
const DESC: u64 = TABLES;
const AVAIL: u64 = TABLES + 0x1000;
const USED: u64 = TABLES + 0x2000;
const HEADERS: u64 = TABLES + 0x3000;
const STATES: u64 = TABLES + 0x3800;
const BUFFERS: u64 = SHARED;

/// Requests under way at a time, each with its own part of the disk and of memory.
const CHAINS: u64 = 4;
/// Sectors in each chain's requests.
const LENGTHS: [u64; CHAINS as usize] = [1, 16, 3, 8];
/// Sectors of the disk that belong to a chain; a power of two.
const PART: u64 = 64;
/// From one sector to the next one that is used, where they are spread: odd, so that some requests
/// begin or end within a block or across the end of a chunk.
const SPREAD: u64 = 63;
/// Entries of the queue.
const QUEUE: i32 = 16;

// mie.MEIE
const EXTERNAL: u64 = 1 << 11;

const DEVICE_AT: u8 = S[4];
const PLIC_AT: u8 = S[5];
const HEADERS_AT: u8 = S[6];
const DESC_AT: u8 = S[8];
const RINGS_AT: u8 = S[9];
/// Chains made available so far.
const MADE: u8 = A[5];
/// What all that was read comes to.
const SUM: u8 = A[6];

/// A program of this seed that makes so many times four requests.
#[must_use]
pub fn case(seed: u64, rounds: u64) -> Case {
    build(seed, rounds, false, 1)
}

/// The same for requests to the same sectors, with resets of the device.
#[must_use]
pub fn contended(seed: u64, rounds: u64) -> Case {
    build(seed, rounds, true, 1)
}

/// Either of them on a disk that is worth streaming.
#[must_use]
pub fn spread(seed: u64, rounds: u64, contended: bool) -> Case {
    build(seed, rounds, contended, SPREAD)
}

fn build(seed: u64, rounds: u64, contended: bool, stride: u64) -> Case {
    let mut rng = Rng::new(seed);
    let mut program = Program::begin(&mut rng, rounds, false);
    let asm = &mut program.asm;
    for (register, value) in [
        (DEVICE_AT, DEVICE),
        (PLIC_AT, PLIC),
        (HEADERS_AT, HEADERS),
        (DESC_AT, DESC),
        (RINGS_AT, AVAIL),
        (MADE, 0),
        (SUM, 0),
    ] {
        asm.li(register, value);
    }
    // No interrupt is taken (mstatus.MIE stays 0 for machine mode); WFI ends for one.
    asm.csrw(0x300, ZERO);
    asm.li(T[0], EXTERNAL);
    asm.csrw(MIE, T[0]);
    set_up(asm);
    let top = asm.label();
    Program::draw(asm);
    for chain in 0..CHAINS {
        request(asm, chain, if contended { 0 } else { PART * chain }, stride);
    }
    submit(asm);
    if contended {
        wait_or_reset(asm);
    } else {
        wait(asm);
    }
    gather(asm);
    program.repeat(top);
    let end = program.end;
    program.asm.jump(ZERO, end);
    program.loads.push((DESC, descriptors()));
    // All writes go to status bytes that say "not answered".
    program
        .loads
        .push((STATES, vec![0xff; 8 * CHAINS as usize]));
    let mut case = program.finish(harts(1));
    let sectors = CHAINS * PART * stride;
    case.disk = sectors * 512;
    case.config.slots = vec![SlotConfig {
        slot: 0,
        device: DeviceConfig::Block(BlockConfig {
            sectors,
            ..BlockConfig::default()
        }),
    }];
    case
}

/// Three descriptors a chain: header, data, status. The middle one's direction changes.
fn descriptors() -> Vec<u8> {
    const NEXT: u16 = 1;
    const WRITE: u16 = 2;
    let mut table = Vec::new();
    let mut put = |at: u64, len: u64, flags: u16, next: u64| {
        table.extend(at.to_le_bytes());
        table.extend((len as u32).to_le_bytes());
        table.extend(flags.to_le_bytes());
        table.extend((next as u16).to_le_bytes());
    };
    for (chain, sectors) in (0..).zip(LENGTHS) {
        put(HEADERS + 16 * chain, 16, NEXT, 3 * chain + 1);
        put(BUFFERS + 0x4000 * chain, 512 * sectors, NEXT, 3 * chain + 2);
        put(STATES + 8 * chain, 1, WRITE, 0);
    }
    table
}

fn write(asm: &mut Asm, register: i32, value: u64) {
    asm.li(T[0], value);
    asm.store(Op::Sw, T[0], DEVICE_AT, register);
}

fn set_up(asm: &mut Asm) {
    // Priority, enable bit of context 0, threshold 0.
    asm.i(Op::Addi, T[0], ZERO, 1);
    asm.store(Op::Sw, T[0], PLIC_AT, 4 * IRQ);
    asm.li(T[1], PLIC + 0x2000);
    asm.i(Op::Addi, T[0], ZERO, 1 << IRQ);
    asm.store(Op::Sw, T[0], T[1], 0);
    // virtio 1.2, 3.1.1
    write(asm, STATUS, 0);
    write(asm, STATUS, 1 | 2);
    write(asm, DRIVER_FEATURES_SEL, 1);
    write(asm, DRIVER_FEATURES, 1);
    write(asm, STATUS, 1 | 2 | 8);
    write(asm, QUEUE_NUM, QUEUE as u64);
    write(asm, QUEUE_DESC, DESC);
    write(asm, QUEUE_DRIVER, AVAIL);
    write(asm, QUEUE_DEVICE, USED);
    write(asm, QUEUE_READY, 1);
    write(asm, STATUS, 1 | 2 | 8 | 4);
}

/// Draws a chain's direction and sector, one in `stride` of a part of the disk that is the `part`-th
/// of those, and makes it available.
fn request(asm: &mut Asm, chain: u64, part: u64, stride: u64) {
    let header = 16 * chain as i32;
    let data = 16 * (3 * chain as i32 + 1);
    // VIRTIO_BLK_T_IN is 0, T_OUT 1.
    Program::pick(asm, T[0], 8 + chain as i32, 1, 0);
    asm.store(Op::Sw, T[0], HEADERS_AT, header);
    // The device writes the data of a read: flags are NEXT, or NEXT and WRITE.
    asm.i(Op::Xori, T[0], T[0], 1);
    asm.i(Op::Slli, T[0], T[0], 1);
    asm.i(Op::Ori, T[0], T[0], 1);
    asm.store(Op::Sh, T[0], DESC_AT, data + 12);
    // Any sector of the part from which its length fits.
    Program::pick(asm, T[0], 12 + 5 * chain as i32, 5, 0);
    asm.i(Op::Addi, T[0], T[0], part as i32);
    asm.li(T[1], stride);
    asm.r(Op::Mul, T[0], T[0], T[1]);
    asm.store(Op::Sd, T[0], HEADERS_AT, header + 8);
    // avail.ring[made % QUEUE] = head
    asm.i(Op::Andi, T[1], MADE, QUEUE - 1);
    asm.i(Op::Slli, T[1], T[1], 1);
    asm.r(Op::Add, T[1], T[1], RINGS_AT);
    asm.i(Op::Addi, T[0], ZERO, 3 * chain as i32);
    asm.store(Op::Sh, T[0], T[1], 4);
    asm.i(Op::Addi, MADE, MADE, 1);
}

fn submit(asm: &mut Asm) {
    asm.store(Op::Sh, MADE, RINGS_AT, 2);
    asm.store(Op::Sw, ZERO, DEVICE_AT, QUEUE_NOTIFY);
}

/// Waits; or, once in eight times, resets the device and begins anew.
fn wait_or_reset(asm: &mut Asm) {
    let (patient, done) = (asm.later(), asm.later());
    Program::pick(asm, T[0], 45, 3, 0);
    asm.branch(Op::Bne, T[0], ZERO, patient);
    write(asm, STATUS, 0);
    asm.i(Op::Addi, MADE, ZERO, 0);
    asm.store(Op::Sh, ZERO, RINGS_AT, 2);
    asm.li(T[1], USED);
    asm.store(Op::Sh, ZERO, T[1], 2);
    set_up(asm);
    acknowledge(asm);
    asm.jump(ZERO, done);
    asm.place(patient);
    wait(asm);
    asm.place(done);
}

/// Waits until everything is used: polling, or in WFI until the device interrupts.
fn wait(asm: &mut Asm) {
    let (again, sleep, done) = (asm.label(), asm.later(), asm.later());
    asm.li(T[2], USED);
    asm.i(Op::Lhu, T[0], T[2], 2);
    // Indices are 16 bits.
    asm.i(Op::Slli, T[1], MADE, 48);
    asm.i(Op::Srli, T[1], T[1], 48);
    asm.branch(Op::Beq, T[0], T[1], done);
    Program::pick(asm, T[0], 40, 1, 0);
    asm.branch(Op::Bne, T[0], ZERO, sleep);
    asm.jump(ZERO, again);
    asm.place(sleep);
    asm.plain(Op::Wfi);
    acknowledge(asm);
    asm.jump(ZERO, again);
    asm.place(done);
    // An interrupt that nobody waited for.
    acknowledge(asm);
}

fn acknowledge(asm: &mut Asm) {
    asm.li(T[2], PLIC + 0x20_0004);
    asm.i(Op::Lw, A[0], T[2], 0);
    asm.i(Op::Lw, T[0], DEVICE_AT, INTERRUPT_STATUS);
    asm.store(Op::Sw, T[0], DEVICE_AT, INTERRUPT_ACK);
    asm.store(Op::Sw, A[0], T[2], 0);
}

/// Takes a word of each buffer into the sum, and the sum into each buffer.
fn gather(asm: &mut Asm) {
    for (chain, sectors) in (0..).zip(LENGTHS) {
        asm.li(T[1], BUFFERS + 0x4000 * chain);
        Program::pick(asm, T[0], 44, 6, 3);
        asm.r(Op::Add, T[0], T[0], T[1]);
        asm.i(Op::Ld, T[2], T[0], 0);
        asm.r(Op::Rol, SUM, SUM, T[0]);
        asm.r(Op::Xor, SUM, SUM, T[2]);
        asm.store(Op::Sd, SUM, T[1], 8 * (sectors as i32 - 1));
        asm.li(T[1], STATES + 8 * chain);
        asm.i(Op::Lbu, T[2], T[1], 0);
        asm.r(Op::Add, SUM, SUM, T[2]);
    }
}
