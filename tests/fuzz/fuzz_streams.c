/* Calls in any order on one key and four streams, which share memory for one or for many tables of first rounds: cold,
 * warm, evicted and gone again, with counters at every kind of carry, against OpenSSL. */
#include <string.h>

#include "tests/fuzz/subjects.h"
#include "tests/support/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 51, STREAMS = 4, CALLS_MAX = 64, TEXT_LEN = 32768 };

struct subject {
    uint8_t key_bytes[32];
    uint8_t ivs[STREAMS][16];
    sealane_key *key;
    sealane_stream *streams[STREAMS];
};

static uint8_t ours[TEXT_LEN], theirs[TEXT_LEN];

/* A call: what it is, which stream; then where in the text, how long, and where in the keystream. */
static void one_call(struct subject *s, struct input *in)
{
    uint8_t what = take_byte(in), shift = take_byte(in);
    size_t which = what % STREAMS;
    size_t at = take_u16(in) % TEXT_LEN, len = take_u16(in) % (TEXT_LEN - at + 1);
    uint64_t offset = (uint64_t)take_u16(in) << shift % 48;
    if (what & 16)
        len %= 300;
    if ((what & 0xe0) == 0xe0 && s->streams[which]) {
        sealane_stream_free(s->streams[which]);
        s->streams[which] = NULL;
        return;
    }
    reference_keystream(s->key_bytes, s->ivs[which], offset, theirs, len);
    reference_xor(theirs, ours + at, len);
    if (what & 4) {
        sealane_ctr_xor(s->key, s->ivs[which], offset, ours + at, ours + at, len);
    } else {
        if (!s->streams[which])
            require(sealane_stream_create(s->key, &s->streams[which], s->ivs[which]) == SEALANE_OK);
        sealane_stream_xor(s->streams[which], offset, ours + at, ours + at, len);
    }
    require(memcmp(ours + at, theirs, len) == 0);
}

/* Input: key, IV, engine, carry and distance to it, then calls of 8 bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct subject s = {0};
    if (size < HEAD)
        return 0;
    take(&in, s.key_bytes, 32);
    take(&in, s.ivs[0], 16);
    const sealane_engine *engine = engine_for(take_byte(&in));
    uint8_t carry = take_byte(&in), blocks = take_byte(&in);
    bring_near_carry(s.ivs[0], carry, blocks);
    for (size_t i = 1; i < STREAMS; i++) {
        memcpy(s.ivs[i], s.ivs[0], 16);
        s.ivs[i][i == 1   ? 10
                 : i == 2 ? 5
                          : 15] ^= (uint8_t)i; /* bytes that a table hangs on, and one that it does not */
    }
    require(sealane_key_create(engine, &s.key, s.key_bytes) == SEALANE_OK);
    memset(ours, 0x5a, sizeof ours);
    for (size_t i = 0; i < CALLS_MAX && in.len > 0; i++)
        one_call(&s, &in);
    for (size_t i = 0; i < STREAMS; i++)
        sealane_stream_free(s.streams[i]);
    sealane_key_free(s.key);
    return 0;
}
