// Random page tables: how fetches, loads and stores through them end.
//
// One line a case: mode, level of the leaf, virtual address, menvcfg, mstatus bits, the five
// entries from level 0 up; then three times: kind, mcause or ff, value loaded, the leaf's entry
// afterwards.
//
// Left out is what QEMU 10 does not do as the manual says: tables outside RAM are page faults
// there, the reserved memory type 3 is taken, and a reserved NAPOT size faults only after A and
// D were set.

#include "oracle.h"

// One table a level, level 0 first.
#define TABLES 0x80400000ul
#define V 1ul
#define W 4ul
#define A 0x40ul
#define D 0x80ul
#define N (1ul << 63)

static u64 random_leaf(u64 pa, u64 level) {
    u64 leaf = pa >> 2 | V | A | D | (number() & 0x33e);
    if (rarely(4)) leaf &= ~A;
    if (rarely(4)) leaf &= ~D;
    if (rarely(2)) leaf |= 0xe;
    // Without R and X it would point to a table that is not there.
    if (level && !(leaf & 0xa)) leaf |= 2;
    if (rarely(32)) leaf &= ~V;
    if (rarely(8)) leaf |= (1 + below(2)) << 61;
    if (rarely(16)) leaf |= 1ul << (54 + below(7));
    if (level && rarely(6)) leaf |= 1ul << (10 + below(9 * level));
    if (rarely(8)) {
        leaf |= N;
        if (!rarely(4)) leaf = (leaf & ~(0xful << 10)) | 8ul << 10;
        if (level || (leaf >> 10 & 15) != 8) leaf |= A | D;
    }
    return leaf;
}

static u64 random_pointer(u64 table) {
    u64 entry = table >> 2 | V;
    if (rarely(12)) entry |= 1ul << (4 + below(6));
    if (rarely(24)) entry |= 1ul << (54 + below(10));
    if (rarely(64)) entry ^= rarely(2) ? V : W;
    return entry;
}

int main(void) {
    static const char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const u64 offsets[3] = {16, 8, 24};
    asm volatile("csrw pmpaddr0, %0; csrw pmpcfg0, %1" ::"r"(~0ul), "r"(0x1ful));
    // Each page says which it is, where loads go and fetches do not.
    for (u64 page = TARGET; page < TARGET + TARGET_PAGES * 4096; page += 4096)
        *(volatile u64 *)(page + 8) = page;
    for (u64 n = 0; n < CASES; n++) {
        u64 mode = 8 + below(3), levels = mode - 5, unused = 64 - 12 - 9 * levels;
        u64 level = rarely(3) ? below(levels) : 0, size = 4096ul << (9 * level);
        u64 pa = TARGET + below(TARGET_PAGES) * 4096;
        u64 va = (number() & ~(size - 1)) | (pa & (size - 1));
        va = (u64)((long)(va << unused) >> unused);
        if (rarely(16)) va ^= 1ul << (63 - below(unused + 1));

        u64 chain[5] = {0};
        for (u64 l = level; l < levels; l++)
            chain[l] = l == level ? random_leaf(pa & ~(size - 1), level)
                                  : random_pointer(TABLES + (l - 1) * 4096);
        volatile u64 *entries[5];
        for (u64 l = 0; l < 5; l++) {
            entries[l] = (u64 *)(TABLES + l * 4096) + (va >> (12 + 9 * l) & 0x1ff);
            *entries[l] = chain[l];
        }

        u64 menvcfg = (u64)!rarely(3) << 61 | (u64)!rarely(3) << 62;
        u64 bits = below(2) * SUM | below(2) * MXR | below(2) * MPP_SUPERVISOR;
        asm volatile("csrw menvcfg, %0" ::"r"(menvcfg));
        asm volatile("csrw satp, %0; sfence.vma" ::"r"(mode << 60 | (TABLES + (levels - 1) * 4096) >> 12));
        print(mode), print(level), print(va), print(menvcfg), print(bits);
        for (int l = 0; l < 5; l++)
            print(chain[l]);
        const char *order = orders[below(6)];
        for (int k = 0; k < 3; k++) {
            u64 kind = order[k];
            u64 loaded = access(kind, va + offsets[kind], 8, bits);
            print(kind), print(trapped[0]), print(loaded), print(*entries[level]);
        }
        put('\n');
        for (int l = 0; l < 5; l++)
            *entries[l] = 0;
    }
    return 0;
}
