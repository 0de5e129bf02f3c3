/* memcpy: the C library's own memcpy between two buffers that fit a second-level cache, at
 * changing lengths and offsets that keep the buffers aligned alike. */
#include "bench.h"

#define SIZE 196608

static uint64_t from[SIZE / 8], to[SIZE / 8];

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 16500);
    uint64_t seed = 11, sum = 0;
    for (size_t i = 0; i < SIZE / 8; i++)
        from[i] = bench_random(&seed);
    for (unsigned long round = 0; round < rounds; round++) {
        size_t skip = round % 509;
        size_t length = SIZE - 8 * skip;
        from[skip] ^= round;
        memcpy(to + skip, from + skip, length);
        sum = bench_fold(sum, to[(round * 31 + skip) % (SIZE / 8)]);
        sum = bench_fold(sum, to[skip]);
    }
    return bench_report("memcpy", sum, 0x4300ff079e546953);
}
