/* What the benchmark programs share: their size, their random numbers, their one line of output.
 *
 * Every program prints `name checksum` (16 hex digits) and exits 0 if the checksum is the known one.
 * The checksum is the same on every 64-bit little-endian machine with IEEE 754 doubles.
 * The one optional argument divides the work: `nbody 100` runs a hundredth of it; then the
 * checksum is another and is not judged.
 */
#ifndef BENCH_H
#define BENCH_H

/* A fused multiply-add rounds once where a multiplication and an addition round twice, so the
 * checksums of a machine that has it would differ. GCC ignores the standard's pragma; this one
 * works without an option on the command line. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long bench_divisor = 1;

/* How often to repeat the work: `full`, or its share if an argument divides it (at least once).
 * The result is unknown to the compiler, so no program can be computed in advance. */
static inline unsigned long bench_rounds(int argc, char **argv, unsigned long full)
{
    if (argc > 1) {
        bench_divisor = strtoul(argv[1], NULL, 10);
        if (bench_divisor == 0)
            bench_divisor = 1;
    }
    unsigned long rounds = full / bench_divisor;
    return rounds ? rounds : 1;
}

/* splitmix64: a permutation of a counter, so the same stream everywhere. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One step of a checksum over 64-bit words (FNV-1a, by words). */
static inline uint64_t bench_fold(uint64_t sum, uint64_t word)
{
    return (sum ^ word) * 0x100000001b3u;
}

/* The bits of a double, for checksums of floating-point results. */
static inline uint64_t bench_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Prints the line and judges it; the value is the exit status of the program. */
static inline int bench_report(const char *name, uint64_t sum, uint64_t expected)
{
    printf("%s %016llx\n", name, (unsigned long long)sum);
    if (bench_divisor == 1 && sum != expected) {
        fprintf(stderr, "%s: expected %016llx\n", name, (unsigned long long)expected);
        return 1;
    }
    return 0;
}

/* Ends the program when an invariant of its own data is broken. */
static inline void bench_require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "broken: %s\n", what);
        exit(1);
    }
}

#endif
