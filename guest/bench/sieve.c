/* sieve: Eratosthenes over one byte a number. Strided stores in a loop of three instructions. */
#include "bench.h"

#define LIMIT 1000000

static unsigned char composite[LIMIT + 1];

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 60);
    uint64_t sum = 0;
    for (unsigned long round = 0; round < rounds; round++) {
        memset(composite, 0, sizeof composite);
        for (unsigned long i = 2; i * i <= LIMIT; i++)
            if (!composite[i])
                for (unsigned long j = i * i; j <= LIMIT; j += i)
                    composite[j] = 1;
        uint64_t count = 0;
        for (unsigned long i = 2 + (round & 1); i <= LIMIT; i++)
            count += !composite[i];
        bench_require(count + (round & 1) == 78498, "there are 78498 primes below a million");
        sum = bench_fold(sum, count);
    }
    return bench_report("sieve", sum, 0x63cf332242315814);
}
