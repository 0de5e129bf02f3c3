/* nbody: five bodies under gravity, symplectic Euler steps. Double precision with a square root
 * and a division for every pair, in short dependent chains. */
#include "bench.h"
#include <math.h>

#define BODIES 5

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static struct body system_[BODIES];

/* A heavy centre and four light bodies on inclined, nearly circular orbits (G = 1). */
static void place(void)
{
    static const double radius[BODIES] = {0.0, 5.2, 9.6, 19.1, 30.2};
    static const double mass[BODIES] = {39.5, 0.0377, 0.0113, 0.00172, 0.00203};
    static const double tilt[BODIES] = {0.0, 0.02, 0.043, 0.013, 0.031};
    double px = 0, py = 0, pz = 0;
    for (int i = 0; i < BODIES; i++) {
        struct body *b = &system_[i];
        double speed = i ? sqrt(mass[0] / radius[i]) : 0.0;
        double side = i & 1 ? 1.0 : -1.0;
        b->x = radius[i] * side;
        b->y = radius[i] * tilt[i];
        b->z = radius[i] * tilt[i] * 0.5;
        b->vx = speed * tilt[i];
        b->vy = speed * side;
        b->vz = speed * tilt[i] * 0.25;
        b->mass = mass[i];
        px += b->vx * b->mass;
        py += b->vy * b->mass;
        pz += b->vz * b->mass;
    }
    system_[0].vx = -px / mass[0];
    system_[0].vy = -py / mass[0];
    system_[0].vz = -pz / mass[0];
}

static double energy(void)
{
    double e = 0;
    for (int i = 0; i < BODIES; i++) {
        const struct body *a = &system_[i];
        e += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
        for (int j = i + 1; j < BODIES; j++) {
            const struct body *b = &system_[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            e -= a->mass * b->mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return e;
}

static void step(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &system_[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &system_[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = dt / (square * sqrt(square));
            double pull_a = a->mass * pull, pull_b = b->mass * pull;
            a->vx -= dx * pull_b;
            a->vy -= dy * pull_b;
            a->vz -= dz * pull_b;
            b->vx += dx * pull_a;
            b->vy += dy * pull_a;
            b->vz += dz * pull_a;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &system_[i];
        a->x += dt * a->vx;
        a->y += dt * a->vy;
        a->z += dt * a->vz;
    }
}

int main(int argc, char **argv)
{
    unsigned long steps = bench_rounds(argc, argv, 1463000);
    place();
    double before = energy();
    for (unsigned long i = 0; i < steps; i++)
        step(0.001);
    double after = energy();
    bench_require(fabs((after - before) / before) < 1e-4, "energy is conserved");

    uint64_t sum = bench_bits(after);
    for (int i = 0; i < BODIES; i++) {
        sum = bench_fold(sum, bench_bits(system_[i].x));
        sum = bench_fold(sum, bench_bits(system_[i].vy));
    }
    return bench_report("nbody", sum, 0x0a6dd1dcecf597b7);
}
