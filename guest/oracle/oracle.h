// What the oracle programs share: numbers in, lines of hexadecimal numbers out.
//
// SEED and CASES are given on the compiler's command line.

typedef unsigned long u64;

// Of the last trap: mcause, mtval, mstatus, and a0 as it was.
extern volatile u64 trapped[4];
// mcause of an access that did not trap.
#define NO_TRAP 0xff

#define MPP_SUPERVISOR (1ul << 11)
#define MPRV (1ul << 17)
#define SUM (1ul << 18)
#define MXR (1ul << 19)

u64 load1(u64 va, u64 bits, u64 ignored), load2(u64 va, u64 bits, u64 ignored);
u64 load4(u64 va, u64 bits, u64 ignored), load8(u64 va, u64 bits, u64 ignored);
u64 store1(u64 va, u64 bits, u64 value), store2(u64 va, u64 bits, u64 value);
u64 store4(u64 va, u64 bits, u64 value), store8(u64 va, u64 bits, u64 value);
u64 fetch(u64 va, u64 bits);
void descend(u64 pc, u64 mstatus, u64 value);

static void put(char c) { *(volatile unsigned char *)0x10000000 = c; }

static void print(u64 value) {
    int shift = 60;
    while (shift > 0 && !(value >> shift & 15))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
    put(' ');
}

// SplitMix64.
static u64 state = SEED;

static u64 number(void) {
    u64 z = state += 0x9e3779b97f4a7c15ul;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
    z = (z ^ z >> 27) * 0x94d049bb133111ebul;
    return z ^ z >> 31;
}

static u64 below(u64 n) { return number() % n; }

// True once in n times.
static int rarely(u64 n) { return below(n) == 0; }

// Where the accesses go: 64 pages of zeros. A zero is no instruction: a fetch that succeeds ends
// as an illegal one.
#define TARGET 0x80800000ul
#define TARGET_PAGES 64

// Makes an access of `size` bytes (kind 0 a fetch, 1 a load, 2 a store of zero) with the
// privilege and rights in `bits`, and returns what was loaded. Afterwards `trapped[0]` is set.
static inline u64 access(u64 kind, u64 at, u64 size, u64 bits) {
    trapped[0] = NO_TRAP;
    asm volatile("csrc mstatus, %0" ::"r"(MPRV | SUM | MXR | 3ul << 11));
    if (kind == 0)
        return fetch(at, bits);
    bits |= MPRV;
    switch (kind << 4 | size) {
    case 0x11: return load1(at, bits, 0);
    case 0x12: return load2(at, bits, 0);
    case 0x14: return load4(at, bits, 0);
    case 0x18: return load8(at, bits, 0);
    case 0x21: store1(at, bits, 0); break;
    case 0x22: store2(at, bits, 0); break;
    case 0x24: store4(at, bits, 0); break;
    default: store8(at, bits, 0); break;
    }
    return 0;
}
