/* u64: 64-bit arithmetic in registers: shifts, exclusive or, additions, products (low and high
 * halves). No memory, long blocks. */
#include "bench.h"

static inline uint64_t high(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 38600000);
    uint64_t a = 0x0123456789abcdef, b = 0xfedcba9876543210, c = 1, d = 0;
    for (unsigned long i = 0; i < rounds; i++) {
        a ^= a << 13;
        a ^= a >> 7;
        a ^= a << 17;
        b = b * 6364136223846793005u + 1442695040888963407u;
        c += (a + b) ^ (b >> 29);
        c = (c << 23) | (c >> 41);
        d += high(a, b) ^ c;
        d ^= (d >> 31) + (a & ~c);
        c -= d * 5 + i;
    }
    uint64_t sum = bench_fold(a, b);
    sum = bench_fold(sum, c);
    return bench_report("u64", bench_fold(sum, d), 0xb78460ee5c818270);
}
