# One instruction each, and the call that comes after it; eight bytes a pair.

.option norvc
.text
.balign 8

# csrrs a0, CSR, x0
.globl readers
readers:
.set csr, 0
.rept 4096
    .word 0x00002573 | (csr << 20)
    ecall
.set csr, csr + 1
.endr

# csrrw x0, CSR, a1
.globl writers
writers:
.set csr, 0
.rept 4096
    .word 0x00059073 | (csr << 20)
    ecall
.set csr, csr + 1
.endr

.globl others
others:
    sfence.vma
    ecall
    .word 0x16000073            # sinval.vma x0, x0
    ecall
    .word 0x18000073            # sfence.w.inval
    ecall
    .word 0x18100073            # sfence.inval.ir
    ecall
    sret
    ecall
    mret
    ecall
    ebreak
    ecall
