// What S and U mode may do: CSR accesses, fences and returns under random mcounteren,
// scounteren, menvcfg, mideleg and mstatus.
//
// One line a case: kind (0 reads a CSR, 1 writes one, 2 another instruction), which, its
// address, mcounteren, scounteren, menvcfg, mideleg, mstatus, value to write, sepc; then mcause,
// mtval, mstatus and a0 of the trap that followed, and the supervisor's CSRs.
//
// Left out is what QEMU 10 does not do as the manual says, or may do otherwise: it keeps the
// reserved CBIE and bit 0 of sepc, lets UXL be written and the fences of Svinval pass in user
// mode, and gives MRET and SRET another mtval; its counters count otherwise.

#include "oracle.h"

extern const u64 readers[], writers[], others[];
#define OTHERS 7
#define FS (3ul << 13)

// Where a case is more likely to find something than among all numbers.
static const unsigned short csrs[] = {0x001, 0x002, 0x003, 0x100, 0x104, 0x105, 0x106, 0x10a,
                                      0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0xc00,
                                      0xc01, 0xc02, 0xc03, 0xc07, 0x300, 0x341, 0xf14, 0xb00};

#define SHOW(csr) ({ asm volatile("csrr %0, " #csr : "=r"(value)); print(value); })
#define SET(csr, to) ({ asm volatile("csrw " #csr ", %0" ::"r"(to)); })

int main(void) {
    SET(pmpaddr0, ~0ul), SET(pmpcfg0, 0x1ful);
    for (u64 n = 0; n < CASES; n++) {
        u64 kind = rarely(4) ? 2 : below(2);
        u64 which = kind == 2 ? below(OTHERS) : rarely(4) ? below(4096) : csrs[below(sizeof csrs / 2)];
        u64 mcounteren = (rarely(4) ? ~0ul : number()) & 0x7ffff;
        u64 scounteren = (rarely(4) ? ~0ul : number()) & 0x7ffff;
        u64 menvcfg = below(2) << 63, mideleg = number() & 0x222;
        // SPIE, SPP, MPP (S or U), FS, MPRV, SUM, MXR, TVM, TW, TSR.
        u64 mstatus = (number() & 0x7e0920) | (rarely(2) ? FS : 0);
        u64 value = rarely(2) ? number() : 0;
        // What differs, see above.
        if (which == 0x10a) value &= ~0x30ul;
        if (which == 0x141) value &= ~1ul;
        if (which == 0x100) value = (value & ~(3ul << 32)) | 2ul << 32;
        if (which == 0x180) value &= ~(15ul << 60);
        if (kind == 2 && (which == 2 || which == 3)) mstatus |= MPP_SUPERVISOR;

        asm volatile("csrs mstatus, %0" ::"r"(FS));
        SET(mcounteren, mcounteren), SET(scounteren, scounteren), SET(menvcfg, menvcfg);
        SET(mideleg, mideleg), SET(medeleg, 0), SET(mie, 0), SET(mip, 0);
        SET(stimecmp, ~0ul), SET(satp, 0), SET(sscratch, 0), SET(senvcfg, 0);
        SET(stvec, 0), SET(scause, 0), SET(stval, 0), SET(fcsr, 0);
        // Where SRET goes: to a call.
        u64 sepc = (u64)others + 4;
        SET(sepc, sepc);
        asm volatile("csrc mstatus, %0; csrs mstatus, %1" ::"r"(3ul << 32), "r"(2ul << 32));
        u64 pc = (u64)((kind == 0 ? readers : kind == 1 ? writers : others) + which);
        print(kind), print(which), print(pc), print(mcounteren), print(scounteren);
        print(menvcfg), print(mideleg), print(mstatus), print(value), print(sepc);
        descend(pc, mstatus | 2ul << 32, value);
        for (int k = 0; k < 4; k++)
            print(trapped[k]);
        asm volatile("csrs mstatus, %0" ::"r"(FS));
        SHOW(sepc), SHOW(sscratch), SHOW(senvcfg), SHOW(stvec), SHOW(scause), SHOW(stval);
        SHOW(fcsr), SHOW(mie), SHOW(stimecmp), SHOW(satp);
        put('\n');
    }
    return 0;
}
