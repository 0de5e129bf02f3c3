/* chase: follows one random cycle through more memory than a cache holds, and mixes what it finds.
 * Each node's address comes from the node before; what is measured is memory, and an emulator's
 * TLB: nearly every step goes to another page. */
#include "bench.h"

#define NODES (1ul << 20)

struct node {
    uint64_t next;
    uint64_t value;
};

static struct node nodes[NODES];

int main(int argc, char **argv)
{
    unsigned long hops = bench_rounds(argc, argv, 4330000);
    uint64_t seed = 7, sum = 0, at = 0;
    for (uint64_t i = 0; i < NODES; i++) {
        nodes[i].next = i;
        nodes[i].value = i * 0x9e3779b97f4a7c15u;
    }
    /* Sattolo's shuffle: the permutation is a single cycle. */
    for (uint64_t i = NODES - 1; i > 0; i--) {
        uint64_t j = bench_random(&seed) % i;
        uint64_t t = nodes[i].next;
        nodes[i].next = nodes[j].next;
        nodes[j].next = t;
    }
    for (unsigned long i = 0; i < hops; i++) {
        uint64_t value = nodes[at].value;
        sum = bench_fold(sum, bench_random(&value));
        at = nodes[at].next;
        bench_require(at != 0 || (i + 1) % NODES == 0, "the cycle has the length of the memory");
    }
    return bench_report("chase", sum, 0xf6761bed25f757e3);
}
