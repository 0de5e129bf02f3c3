/* mandel: escape times of the Mandelbrot set, one point at a time. Double precision in registers:
 * additions and multiplications, a comparison and a data-dependent branch in each iteration. */
#include "bench.h"

#define WIDTH 320
#define HEIGHT 240
#define LIMIT 500

static unsigned escape(double cx, double cy)
{
    double x = 0, y = 0;
    unsigned n = 0;
    while (n < LIMIT) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4.0)
            break;
        y = 2.0 * x * y + cy;
        x = xx - yy + cx;
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    unsigned long frames = bench_rounds(argc, argv, 5);
    uint64_t sum = 0, inside = 0;
    for (unsigned long frame = 0; frame < frames; frame++) {
        double shift = (double)frame * 0.0009765625;
        for (int row = 0; row < HEIGHT; row++) {
            double cy = (row - HEIGHT / 2) * (2.4 / HEIGHT) + shift;
            for (int column = 0; column < WIDTH; column++) {
                double cx = (column - WIDTH * 0.7) * (3.2 / WIDTH);
                unsigned n = escape(cx, cy);
                sum = bench_fold(sum, n);
                inside += n == LIMIT;
            }
        }
    }
    bench_require(inside > 0, "some points never escape");
    return bench_report("mandel", sum, 0x4147aceb613ba3a6);
}
