# Starts `main` and makes accesses that may trap.
#
# An access function changes no register but a0 and t1, so that the trap handler can return to
# its caller: it takes the address from a3.

.section .text.start
.globl _start
_start:
    csrr t0, mhartid
0:  bnez t0, 0b
    la sp, stack_top
    la t0, trap
    csrw mtvec, t0
    call main
    li t0, 0x100000             # test finisher: power off
    li t1, 0x5555
    sw t1, 0(t0)
1:  j 1b

.balign 4
trap:
    csrw mscratch, t0
    la t0, trapped
    csrr t1, mcause
    sd t1, 0(t0)
    csrr t1, mtval
    sd t1, 8(t0)
    csrr t1, mstatus
    sd t1, 16(t0)
    sd a0, 24(t0)
    csrw mepc, a3
    li t1, 0x20000              # MPRV
    csrc mstatus, t1
    li t1, 0x1800               # MPP: machine mode
    csrs mstatus, t1
    csrr t0, mscratch
    li a0, 0
    mret

# access(address, mstatus bits to set, value to store)
.macro access name, instruction, register
.globl \name
\name:
    mv a3, ra
    csrs mstatus, a1
    \instruction \register, 0(a0)
    li t1, 0x20000
    csrc mstatus, t1
    ret
.endm

    access load1, lbu, a0
    access load2, lhu, a0
    access load4, lwu, a0
    access load8, ld, a0
    access store1, sb, a2
    access store2, sh, a2
    access store4, sw, a2
    access store8, sd, a2

# fetch(address, mstatus bits to set): the trap handler returns.
.globl fetch
fetch:
    mv a3, ra
    csrs mstatus, a1
    csrw mepc, a0
    mret

# descend(address, mstatus, value for the code there in a1): the trap handler returns.
.globl descend
descend:
    mv a3, ra
    csrw mstatus, a1
    csrw mepc, a0
    mv a1, a2
    mret

.bss
.balign 16
.globl trapped
trapped: .space 32
.space 16384
stack_top:
