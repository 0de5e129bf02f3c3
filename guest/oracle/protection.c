// Random PMP entries: which fetches, loads and stores they allow below machine mode.
//
// One line a case: pmpaddr0 to pmpaddr15, pmpcfg0, pmpcfg2; then eight times: kind, address,
// size, mstatus bits, mcause or ff.
//
// Left out: the reserved combination of W without R, which QEMU keeps; locked entries, which
// would outlive their case.

#include "oracle.h"

#define ACCESSES 8

#define CASE(n) case n: asm volatile("csrw pmpaddr" #n ", %0" ::"r"(value)); break
static void write_address(int n, u64 value) {
    switch (n) {
        CASE(0); CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6); CASE(7);
        CASE(8); CASE(9); CASE(10); CASE(11); CASE(12); CASE(13); CASE(14); CASE(15);
    }
}

int main(void) {
    for (u64 n = 0; n < CASES; n++) {
        u64 cfg[2] = {0, 0}, used = 1 + below(5), all = !rarely(4);
        for (u64 entry = 0; entry < 16; entry++) {
            u64 rights = below(8), mode = entry < used ? below(4) : 0;
            if ((rights & 3) == 2) rights |= 1;
            u64 address = TARGET / 4 + below(8192);
            if (mode == 3) {
                u64 ones = below(12);
                address = (address | ((1ul << ones) - 1)) & ~(1ul << ones);
            }
            // Mostly everything else is allowed something.
            if (entry == 15 && all) address = (1ul << 54) - 1, mode = 3;
            write_address(entry, address);
            print(address);
            cfg[entry / 8] |= (mode << 3 | rights) << (entry % 8 * 8);
        }
        asm volatile("csrw pmpcfg0, %0; csrw pmpcfg2, %1; sfence.vma" ::"r"(cfg[0]), "r"(cfg[1]));
        print(cfg[0]), print(cfg[1]);
        for (int k = 0; k < ACCESSES; k++) {
            u64 kind = below(3), size = kind ? 1ul << below(4) : 2;
            u64 at = TARGET + (rarely(3) ? below(8) * 4096 + below(64) : below(32768));
            at &= kind == 0 ? ~1ul : rarely(4) ? ~0ul : ~(size - 1);
            // QEMU splits an access across two pages.
            if ((at & 0xfff) + size > 0x1000) at -= 8;
            u64 bits = below(2) * MPP_SUPERVISOR;
            access(kind, at, size, bits);
            print(kind), print(at), print(size), print(bits), print(trapped[0]);
        }
        put('\n');
    }
    return 0;
}
