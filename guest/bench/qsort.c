/* qsort: the C library's qsort over random 64-bit keys, with a comparison through a pointer. */
#include "bench.h"

#define COUNT 475000

static uint64_t keys[COUNT];

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 3);
    uint64_t seed = 13, sum = 0;
    for (unsigned long round = 0; round < rounds; round++) {
        uint64_t before = 0, after = 0;
        for (size_t i = 0; i < COUNT; i++)
            before += keys[i] = bench_random(&seed);
        qsort(keys, COUNT, sizeof keys[0], compare);
        for (size_t i = 0; i < COUNT; i++) {
            after += keys[i];
            bench_require(i == 0 || keys[i - 1] <= keys[i], "the keys are in order");
        }
        bench_require(before == after, "the keys are still the same");
        for (size_t i = 0; i < COUNT; i += 1000)
            sum = bench_fold(sum, keys[i]);
    }
    return bench_report("qsort", sum, 0xce4385d3393fa670);
}
