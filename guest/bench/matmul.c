/* matmul: the product of two square matrices of doubles, row by row, so that the inner loop
 * streams through memory: two loads, a multiplication, an addition and a store. */
#include "bench.h"

#define N 610

static double a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv)
{
    unsigned long rows = bench_rounds(argc, argv, N);
    uint64_t seed = 3;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            /* Quotients by three: nearly every product and sum is inexact. */
            a[i][j] = (double)(int64_t)(bench_random(&seed) >> 40) / 3.0;
            b[i][j] = (double)(int64_t)(bench_random(&seed) >> 40) / 3.0;
        }
    }
    for (unsigned long i = 0; i < rows; i++) {
        for (int k = 0; k < N; k++) {
            double factor = a[i][k];
            for (int j = 0; j < N; j++)
                c[i][j] += factor * b[k][j];
        }
    }
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j += 7)
            sum = bench_fold(sum, bench_bits(c[i][j]));
    return bench_report("matmul", sum, 0xc5b0a187399ddbec);
}
