/* strs: byte-wise string work: the C library's searching, comparing and copying of short and middling
 * strings, and loops of our own that change case, reverse and hash. */
#include "bench.h"

#define LINES 512
#define LINE 160

static char text[LINES * (LINE + 1) + 1];
static char *line[LINES];
static char copy[LINE + 1], other[LINE + 1];

/* Lines of 40 to 160 letters in words of one to nine. */
static void write_text(void)
{
    uint64_t seed = 17;
    char *at = text;
    for (int i = 0; i < LINES; i++) {
        uint64_t length = 40 + bench_random(&seed) % (LINE - 39);
        uint64_t word = 0;
        line[i] = at;
        while (length--) {
            uint64_t r = bench_random(&seed);
            if (word == 0) {
                word = 1 + r % 9;
                *at++ = ' ';
            } else {
                word--;
                *at++ = (char)('a' + (r >> 32) % 26);
            }
        }
        *at++ = '\0';
    }
}

static __attribute__((noinline)) void upper(char *s)
{
    for (; *s; s++)
        if (*s >= 'a' && *s <= 'z')
            *s = (char)(*s - 'a' + 'A');
}

static __attribute__((noinline)) void reverse(char *s, size_t length)
{
    for (size_t i = 0, j = length; i + 1 < j; i++) {
        char t = s[i];
        s[i] = s[--j];
        s[j] = t;
    }
}

static __attribute__((noinline)) uint32_t hash(const char *s)
{
    uint32_t h = 5381;
    while (*s)
        h = h * 33 + (unsigned char)*s++;
    return h;
}

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 1372);
    uint64_t sum = 0;
    write_text();
    for (unsigned long round = 0; round < rounds; round++) {
        for (int i = 0; i < LINES; i++) {
            const char *s = line[i];
            size_t length = strlen(s);
            strcpy(copy, s);
            memset(other, 'z' - (int)(round % 26), length);
            other[length] = '\0';
            sum += strcmp(copy, s) == 0;
            sum += (size_t)(strchr(s, '\0') - s) + strspn(s, " ");
            for (const char *word = strchr(s, ' '); word; word = strchr(word + 1, ' '))
                sum += (uint64_t)(word - s);
            const char *last = memchr(s, 'q', length);
            sum += last ? (uint64_t)(last - s) : length;
            sum += strlen(copy + length / 2);
            sum += strcmp(other, copy) > 0;
            if ((i + round) % 16 == 0) {
                upper(copy);
                reverse(copy, length);
                sum = bench_fold(sum, hash(copy));
            }
        }
    }
    return bench_report("strs", sum, 0x5dbf6bc50575e4bc);
}
