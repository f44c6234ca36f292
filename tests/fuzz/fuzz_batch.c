/* Batches of records with mixed keys, lengths and offsets, of which some overlap or are otherwise wrong: those are
 * refused and write nothing; of the others each byte is OpenSSL's and no other byte has changed. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "tests/fuzz/subjects.h"
#include "tests/support/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEYS = 6, IVS = 8, RECORDS_MAX = 80, MEMORY_LEN = 8192 };

static uint8_t before[MEMORY_LEN], memory[MEMORY_LEN], expected[MEMORY_LEN];

struct subject {
    uint8_t key_bytes[KEYS * 32];
    sealane_key *keys[KEYS];
    uint8_t ivs[IVS][16];
    struct sealane_record records[RECORDS_MAX];
    uint8_t key_of[RECORDS_MAX];
    size_t count;
};

/* The lengths that have paths of their own, and any. */
static size_t length_of(uint8_t choice, uint8_t other)
{
    switch (choice % 8) {
    case 0:
    case 1:
    case 2:
        return 16;
    case 3:
        return other % 17;
    case 4:
        return 64;
    case 5:
        return 32;
    default:
        return other;
    }
}

/* One more in the steps of the last two, as in columns; false: it would not fit. */
static bool add_step(struct subject *s)
{
    struct sealane_record *r = &s->records[s->count];
    if (s->count < 2 || !r[-1].src || !r[-2].src)
        return false;
    ptrdiff_t step = r[-1].dst - r[-2].dst, iv_step = r[-1].iv - r[-2].iv;
    ptrdiff_t at = r[-1].dst - memory + step, from = r[-1].src - memory + step;
    ptrdiff_t iv = r[-1].iv - s->ivs[0] + iv_step, room = MEMORY_LEN - (ptrdiff_t)r[-1].len;
    if (at < 0 || at > room || from < 0 || from > room || iv < 0 || iv > (IVS - 1) * 16)
        return false;
    *r = r[-1];
    r->dst = memory + at;
    r->src = memory + from;
    r->iv = s->ivs[iv / 16]; /* a step between IVs is a multiple of one */
    s->key_of[s->count] = s->key_of[s->count - 1];
    s->count++;
    return true;
}

static void add_record(struct subject *s, struct input *in)
{
    uint8_t key = take_byte(in), iv = take_byte(in), form = take_byte(in), len = take_byte(in);
    uint16_t to = take_u16(in), from = take_byte(in);
    struct sealane_record *r = &s->records[s->count];
    s->key_of[s->count] = key % KEYS;
    s->count++;
    r->key = s->keys[key % KEYS];
    r->iv = s->ivs[iv % IVS];
    r->len = length_of(key >> 4, len);
    /* Most of them side by side, as batches are. */
    size_t next = s->count > 1 && r[-1].dst ? (size_t)(r[-1].dst - memory) + r[-1].len : 0;
    size_t at = form & 1 ? to % MEMORY_LEN : next;
    if (at + r->len > MEMORY_LEN)
        at = 0;
    r->dst = memory + at;
    r->src = r->dst;
    if (form & 2)
        r->src = memory + (at + from) % (MEMORY_LEN - r->len);
    if (form & 4)
        r->offset = (uint64_t)16 * to;
    if (form & 8)
        r->offset = form & 16 ? UINT64_MAX - from : (uint64_t)to << form % 48;
    if (form == 0xff) {
        r->src = NULL;
        r->len &= 15;
    }
    if (form == 0xfe)
        r->key = NULL;
}

static bool overlap(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

/* The rules of sealane_ctr_batch, one pair after the other. */
static bool is_valid(const struct subject *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct sealane_record *r = &s->records[i];
        if (r->len == 0)
            continue;
        if (!r->key || !r->iv || !r->dst || !r->src || r->len - 1 > UINT64_MAX - r->offset)
            return false;
    }
    for (size_t i = 0; i < s->count; i++) {
        for (size_t j = 0; j < s->count; j++) {
            const struct sealane_record *a = &s->records[i], *b = &s->records[j];
            if (a->len == 0 || b->len == 0)
                continue;
            if (i != j && overlap(a->dst, a->len, b->dst, b->len))
                return false;
            if (overlap(a->dst, a->len, b->src, b->len) && !(i == j && a->dst == a->src))
                return false;
        }
    }
    return true;
}

static void check(struct subject *s)
{
    bool valid = is_valid(s);
    memcpy(expected, before, sizeof expected);
    for (size_t i = 0; valid && i < s->count; i++) {
        const struct sealane_record *r = &s->records[i];
        uint8_t text[256];
        if (r->len == 0)
            continue;
        reference_keystream(s->key_bytes + 32 * s->key_of[i], r->iv, r->offset, text, r->len);
        reference_xor(text, before + (r->src - memory), r->len);
        memcpy(expected + (r->dst - memory), text, r->len);
    }
    enum sealane_error e = sealane_ctr_batch(s->records, s->count);
    require(e == (valid ? SEALANE_OK : SEALANE_E_ARGUMENT));
    require(memcmp(memory, expected, sizeof memory) == 0);
}

/* Input: two engines, bytes that keys and IVs are made of, carry and distance for IVs, then records of 8 bytes, of
 * which the first says how many more follow in the same steps. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct subject s;
    struct input in = {data, size};
    memset(&s, 0, sizeof s);
    uint8_t first = take_byte(&in), second = take_byte(&in), seed = take_byte(&in);
    for (size_t i = 0; i < sizeof s.key_bytes; i++)
        s.key_bytes[i] = (uint8_t)(seed * 31 + i * 7 + i / 32);
    require(sealane_keys_create(engine_for(first), s.keys, s.key_bytes, 4) == SEALANE_OK);
    require(sealane_keys_create(engine_for(second), s.keys + 4, s.key_bytes + 4 * 32, KEYS - 4) == SEALANE_OK);
    for (size_t i = 0; i < IVS; i++) {
        memset(s.ivs[i], (int)(seed + i), 16);
        uint8_t carry = take_byte(&in), blocks = take_byte(&in);
        bring_near_carry(s.ivs[i], carry, blocks);
    }
    for (size_t i = 0; i < MEMORY_LEN; i++)
        before[i] = (uint8_t)(i * 13 + i / 256);
    memcpy(memory, before, sizeof memory);
    while (in.len > 0 && s.count < RECORDS_MAX) {
        uint8_t steps = take_byte(&in);
        add_record(&s, &in);
        for (; steps >= 128 && s.count < RECORDS_MAX && add_step(&s); steps--)
            ;
    }
    check(&s);
    for (size_t i = 0; i < KEYS; i++)
        sealane_key_free(s.keys[i]);
    return 0;
}
