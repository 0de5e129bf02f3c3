// Guests of a few instructions.

/** RISC-V: waits for ever. */
export const WAIT = [0x10500073, 0xffdff06f];
/** RISC-V: does nothing, and does not wait for anything. */
export const SPIN = [0x0000006f];
/** RISC-V: prints 4096 bytes through the SBI's debug console, for ever. */
export const FLOOD = [
  // lui a7, addi a7: DBCN; auipc s0; a6 = 0; and in a loop a0 = 4096, a1 = s0, a2 = 0, ecall
  0x444248b7, 0x34e88893, 0x00000417, 0x00000813, 0x00001537, 0x00040593, 0x00000613, 0x00000073, 0xff1ff06f,
];

/** RISC-V: prints "x", then asks for a cold reboot (SRST), for ever. */
export const REBOOTS = [
  0x00100893, 0x07800513, 0x00000073, // li a7, 1; li a0, 'x'; ecall
  0x535258b7, 0x35488893, 0x00000813, // li a7, "SRST"; li a6, 0
  0x00100513, 0x00000593, 0x00000073, // li a0, 1; li a1, 0; ecall
  0x0000006f,
];
/** RISC-V: prints "x", then switches itself off. */
export const ENDS = REBOOTS.with(6, 0x00000513); // li a0, 0
/** RISC-V: prints what the UART receives. */
export const ECHO = [
  0x100002b7, // lui t0, 0x10000
  0x0052c303, // lbu t1, 5(t0): the line status
  0x00137313, // andi t1, t1, 1
  0xfe030ce3, // beqz t1, -8
  0x0002c303, // lbu t1, 0(t0)
  0x00628023, // sb t1, 0(t0)
  0xfedff06f, // j -20
];

/**
 * A kernel: instructions behind the header of Linux's `Image` (Documentation/arch/riscv/boot-image-header.rst).
 * @param {number[]} code
 */
export function kernel(code) {
  const bytes = new Uint8Array(64 + 4 * code.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0400006f, true); // j +64
  view.setBigUint64(8, 0x200000n, true); // text_offset
  view.setBigUint64(16, 0x10000n, true); // image_size
  view.setUint32(32, 2, true); // version 0.2
  view.setBigUint64(48, 0x5643534952n, true); // magic
  view.setUint32(56, 0x05435352, true); // magic2
  code.forEach((word, i) => view.setUint32(64 + 4 * i, word, true));
  return bytes;
}
