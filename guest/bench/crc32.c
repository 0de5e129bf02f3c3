/* crc32: the reflected CRC-32 of IEEE 802.3, bit by bit without a table. One long chain of
 * dependent shifts and masks, and no branch that depends on the data. */
#include "bench.h"

#define LENGTH 65536

static unsigned char data[LENGTH];

static uint32_t crc32(uint32_t crc, const unsigned char *bytes, size_t length)
{
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

int main(int argc, char **argv)
{
    unsigned long rounds = bench_rounds(argc, argv, 257);
    bench_require(crc32(0, (const unsigned char *)"123456789", 9) == 0xcbf43926u,
                  "the check value of CRC-32");
    uint64_t seed = 5;
    for (size_t i = 0; i < LENGTH; i++)
        data[i] = (unsigned char)bench_random(&seed);
    uint32_t crc = 0;
    for (unsigned long round = 0; round < rounds; round++)
        crc = crc32(crc, data, LENGTH);
    return bench_report("crc32", crc, 0x0000000094ed52c3);
}
