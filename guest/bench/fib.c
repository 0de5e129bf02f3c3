/* fib: the doubly recursive Fibonacci numbers. Calls, returns and the stack, and little else. */
#include "bench.h"

static int fib(int n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    int n = (int)bench_rounds(argc, argv, 40);
    int expected = 0, next = 1;
    for (int i = 0; i < n; i++) {
        int sum = expected + next;
        expected = next;
        next = sum;
    }
    int result = fib(n);
    bench_require(result == expected, "recursion and iteration agree");
    return bench_report("fib", (uint64_t)result, 102334155);
}
