/* mix: four kinds of work in turn, as small programs for embedded processors have them: a linked
 * list (search, reversal, merge sort), integer matrices, a state machine over text, and a CRC
 * over what they produced. */
#include "bench.h"

/* --- a linked list --------------------------------------------------------------------- */

#define CELLS 96

struct cell {
    struct cell *next;
    int16_t key;
    uint16_t tag;
};

static struct cell cells[CELLS];

static struct cell *list_build(uint64_t *seed)
{
    for (int i = 0; i < CELLS; i++) {
        uint64_t r = bench_random(seed);
        cells[i].next = i + 1 < CELLS ? &cells[i + 1] : NULL;
        cells[i].key = (int16_t)(r & 0x3ff);
        cells[i].tag = (uint16_t)i;
    }
    return cells;
}

static __attribute__((noinline)) const struct cell *list_find(const struct cell *at, int16_t key)
{
    while (at && at->key != key)
        at = at->next;
    return at;
}

static __attribute__((noinline)) struct cell *list_reverse(struct cell *at)
{
    struct cell *done = NULL;
    while (at) {
        struct cell *next = at->next;
        at->next = done;
        done = at;
        at = next;
    }
    return done;
}

static int by_key(const struct cell *a, const struct cell *b)
{
    return a->key - b->key;
}

static int by_tag(const struct cell *a, const struct cell *b)
{
    return a->tag - b->tag;
}

static struct cell *list_merge(struct cell *a, struct cell *b,
                               int (*order)(const struct cell *, const struct cell *))
{
    struct cell head, *tail = &head;
    while (a && b) {
        struct cell **least = order(a, b) <= 0 ? &a : &b;
        tail->next = *least;
        tail = *least;
        *least = tail->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static __attribute__((noinline)) struct cell *
list_sort(struct cell *list, int (*order)(const struct cell *, const struct cell *))
{
    if (!list || !list->next)
        return list;
    struct cell *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    struct cell *second = slow->next;
    slow->next = NULL;
    return list_merge(list_sort(list, order), list_sort(second, order), order);
}

static uint32_t list_work(struct cell **list, uint32_t round)
{
    uint32_t sum = 0;
    for (int16_t key = 0; key < 24; key++) {
        const struct cell *found = list_find(*list, (int16_t)((key * 41 + (int)round) & 0x3ff));
        sum = sum * 31 + (found ? found->tag : 1000u);
        *list = list_reverse(*list);
    }
    if (round % 4 == 0) {
        *list = list_sort(*list, by_key);
        sum = sum * 31 + (*list)->tag;
        *list = list_sort(*list, by_tag);
    }
    return sum * 31 + (uint32_t)(*list)->key;
}

/* --- matrices ---------------------------------------------------------------------------- */

#define SIDE 24

static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];

static void matrix_fill(uint64_t *seed)
{
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (int16_t)bench_random(seed);
            right[i][j] = (int16_t)bench_random(seed);
        }
    }
}

static __attribute__((noinline)) uint32_t matrix_work(int16_t shift)
{
    uint32_t sum = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            left[i][j] = (int16_t)(left[i][j] + shift);
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            uint32_t dot = 0;
            for (int k = 0; k < SIDE; k++)
                dot += (uint32_t)(left[i][k] * right[k][j]);
            product[i][j] = (int32_t)dot;
        }
    }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            sum += ((uint32_t)product[i][j] >> 3 & 0x7f) * ((uint32_t)product[i][j] >> 11 & 0x1f);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            left[i][j] = (int16_t)(left[i][j] - shift);
    return sum;
}

/* --- a state machine ---------------------------------------------------------------------- */

enum state { START, SIGN, DIGITS, POINT, FRACTION, EXPONENT, POWER, WRONG, STATES };

static const char *const token[] = {"12",    "-7.25", "+3e8",  "0.5e-3", "1,5",  "x9",
                                    "4096",  ".125",  "1e",    "-",      "88.8", "6.02e23",
                                    "0x1f",  "+-1",   "31415", "2.7182"};
#define TOKENS (sizeof token / sizeof token[0])
static char script[1024];

static void script_write(uint64_t *seed)
{
    size_t at = 0;
    for (;;) {
        const char *t = token[bench_random(seed) % TOKENS];
        size_t length = strlen(t);
        if (at + length + 2 > sizeof script)
            break;
        memcpy(script + at, t, length);
        at += length;
        script[at++] = ' ';
    }
    script[at] = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum state next_state(enum state state, char c)
{
    switch (state) {
    case START:
        return digit(c) ? DIGITS : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : WRONG;
    case SIGN:
        return digit(c) ? DIGITS : c == '.' ? POINT : WRONG;
    case DIGITS:
        return digit(c) ? DIGITS : c == '.' ? POINT : c == 'e' ? EXPONENT : WRONG;
    case POINT:
    case FRACTION:
        return digit(c) ? FRACTION : c == 'e' ? EXPONENT : WRONG;
    case EXPONENT:
        return digit(c) || c == '-' || c == '+' ? POWER : WRONG;
    case POWER:
        return digit(c) ? POWER : WRONG;
    default:
        return WRONG;
    }
}

static __attribute__((noinline)) uint32_t machine_work(const char *text)
{
    uint32_t ends[STATES] = {0}, steps[STATES] = {0}, sum = 0;
    enum state state = START;
    for (; *text; text++) {
        if (*text == ' ') {
            ends[state]++;
            state = START;
        } else {
            state = next_state(state, *text);
            steps[state]++;
        }
    }
    for (int i = 0; i < STATES; i++)
        sum = sum * 31 + ends[i] * 7 + steps[i];
    return sum;
}

/* --- a CRC --------------------------------------------------------------------------------- */

/* CRC-16 with the polynomial x^16 + x^15 + x^2 + 1, reflected. */
static __attribute__((noinline)) uint16_t crc16(uint16_t crc, uint32_t word)
{
    for (int bit = 0; bit < 32; bit++) {
        uint32_t low = (crc ^ word) & 1;
        crc >>= 1;
        word >>= 1;
        if (low)
            crc ^= 0xa001;
    }
    return crc;
}

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 14400);
    uint64_t seed = 19, sum = 0;
    uint16_t crc = 0;
    struct cell *list = list_build(&seed);
    matrix_fill(&seed);
    script_write(&seed);
    for (unsigned long round = 0; round < rounds; round++) {
        crc = crc16(crc, list_work(&list, (uint32_t)round));
        crc = crc16(crc, matrix_work((int16_t)(round & 63)));
        crc = crc16(crc, machine_work(script));
        script[round % 8] ^= (char)(round & 1);
        sum = bench_fold(sum, crc);
    }
    return bench_report("mix", sum, 0x8043d9f148476fb6);
}
