/* Tables of first rounds: who has one, who gets one, who loses one.  Nobody ever waits for a table: where there is
 * none, a call takes a path without. */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/secret.h"
#include "base/wipe.h"
#include "engine/internal.h"

enum {
    /* A table costs about as much time as 4 KiB gain; from here on a key or stream is taken to go on. */
    KEY_WARM_BYTES = 64 * 1024,
    STREAM_WARM_BYTES = 16 * 1024,
    /* After a table could not be had: bytes until the next try. */
    RETRY_BYTES = 16 * 1024 * 1024,
    TAKEN = -(1 << 30), /* users of a slot that is being given to another stream */
};

struct sl_tables {
    size_t key_tables_max;
    _Atomic size_t key_tables;
    size_t slot_count;
    _Atomic size_t hand; /* where the search for a victim goes on */
    struct sl_slot slots[];
};

/* Tables must not starve keys of lockable memory. */
static size_t limited(size_t table_bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return 0;
    return limit.rlim_cur / 4 < table_bytes ? (size_t)limit.rlim_cur / 4 : table_bytes;
}

enum sealane_error sl_tables_create(struct sl_tables **tables, size_t table_bytes)
{
    size_t count = limited(table_bytes) / SL_FACE_TABLE_LEN;
    *tables = NULL;
    if (count == 0)
        return SEALANE_OK;
    size_t slot_count = (count + 1) / 2;
    struct sl_tables *t = calloc(1, sizeof *t + slot_count * sizeof t->slots[0]);
    if (!t)
        return SEALANE_E_NO_MEMORY;
    t->key_tables_max = count - slot_count;
    t->slot_count = slot_count;
    *tables = t;
    return SEALANE_OK;
}

void sl_tables_free(struct sl_tables *tables)
{
    if (!tables)
        return;
    for (size_t i = 0; i < tables->slot_count; i++)
        sl_secret_free(tables->slots[i].table);
    free(tables);
}

static uint8_t *new_table(void)
{
    void *table;
    return sl_secret_alloc(&table, SL_FACE_TABLE_LEN, false) ? NULL : table;
}

const uint8_t *sl_key_table_warm_up(const struct sealane_key *key, size_t len)
{
    struct sl_key_warmth *w = key->warmth;
    struct sl_tables *tables = key->engine->tables;
    int64_t step = len < KEY_WARM_BYTES ? (int64_t)len : KEY_WARM_BYTES;
    if (atomic_fetch_add_explicit(&w->bytes, step, memory_order_relaxed) + step < KEY_WARM_BYTES)
        return NULL;
    /* Of several threads that come here at once, one finds the bytes. */
    if (atomic_exchange_explicit(&w->bytes, -RETRY_BYTES, memory_order_relaxed) < KEY_WARM_BYTES)
        return NULL;
    if (atomic_fetch_add_explicit(&tables->key_tables, 1, memory_order_relaxed) < tables->key_tables_max) {
        uint8_t *table = new_table();
        if (table) {
            uint8_t *first = NULL;
            key->kernel->by_key->make(key->schedule, table, 0, 0);
            if (atomic_compare_exchange_strong_explicit(&w->table, &first, table, memory_order_acq_rel,
                                                        memory_order_acquire))
                return table;
            /* Threads that saw no table, enough of them to bring RETRY_BYTES while this one was made, made another. */
            sl_secret_free(table);
            atomic_fetch_sub_explicit(&tables->key_tables, 1, memory_order_relaxed);
            return first;
        }
    }
    atomic_fetch_sub_explicit(&tables->key_tables, 1, memory_order_relaxed);
    return NULL;
}

void sl_key_table_free(const struct sealane_key *key)
{
    uint8_t *table = atomic_load_explicit(&key->warmth->table, memory_order_acquire);
    if (!table)
        return;
    sl_secret_free(table);
    atomic_fetch_sub_explicit(&key->engine->tables->key_tables, 1, memory_order_relaxed);
}

static bool take(struct sl_slot *slot)
{
    int nobody = 0;
    return atomic_compare_exchange_strong_explicit(&slot->users, &nobody, TAKEN, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Ends take(); `users` stay with the slot.  Meanwhile others may have knocked, and are about to leave again. */
static void give(struct sl_slot *slot, int users)
{
    atomic_fetch_add_explicit(&slot->users, users - TAKEN, memory_order_release);
}

/* Second chance: a slot used since the last visit is passed over once. */
static struct sl_slot *take_victim(struct sl_tables *tables)
{
    for (size_t i = 0; i < 2 * tables->slot_count; i++) {
        size_t at = atomic_fetch_add_explicit(&tables->hand, 1, memory_order_relaxed) % tables->slot_count;
        struct sl_slot *slot = &tables->slots[at];
        if (!atomic_exchange_explicit(&slot->used, false, memory_order_relaxed) && take(slot))
            return slot;
    }
    return NULL;
}

static struct sl_slot *build(const struct sealane_stream *stream, struct sl_counter counter)
{
    struct sl_slot *slot = take_victim(stream->key->engine->tables);
    if (!slot)
        return NULL;
    if (!slot->table)
        slot->table = new_table();
    if (!slot->table) {
        give(slot, 0);
        return NULL;
    }
    stream->key->kernel->by_nonce->make(stream->key->schedule, slot->table, counter.hi, counter.lo);
    atomic_store_explicit(&slot->tag, sl_slot_tag(counter), memory_order_relaxed);
    atomic_store_explicit(&slot->owner, stream, memory_order_relaxed);
    give(slot, 1);
    return slot;
}

struct sl_slot *sl_stream_table_warm_up(const struct sealane_stream *stream, struct sl_counter counter, size_t len)
{
    struct sl_stream_warmth *w = stream->warmth;
    int64_t step = len < STREAM_WARM_BYTES ? (int64_t)len : STREAM_WARM_BYTES;
    int64_t bytes = atomic_fetch_add_explicit(&w->bytes, step, memory_order_relaxed) + step;
    /* One thread builds; the others, rather than take a slot each for the same table, go on without.  Only a count that
     * is still high enough is taken: one that a builder has set back meanwhile is its success. */
    do {
        if (bytes < STREAM_WARM_BYTES)
            return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&w->bytes, &bytes, -RETRY_BYTES, memory_order_relaxed,
                                                    memory_order_relaxed));
    struct sl_slot *slot = build(stream, counter);
    if (slot) {
        atomic_store_explicit(&w->slot[sl_slot_tag(counter) % SL_STREAM_TABLES], slot, memory_order_release);
        atomic_store_explicit(&w->bytes, 0, memory_order_relaxed);
    }
    return slot;
}

/* No call uses the stream any more, so whoever holds a slot of its reads no table: it is wiped under others' eyes, and
 * nobody is waited for, least of all a thread that a fork left behind in the parent.  A slot that is being taken needs
 * nothing: its table is overwritten before it gets an owner again. */
void sl_stream_tables_free(const struct sealane_stream *stream)
{
    struct sl_tables *tables = stream->key->engine->tables;
    for (size_t i = 0; tables && i < tables->slot_count; i++) {
        struct sl_slot *slot = &tables->slots[i];
        if (atomic_load_explicit(&slot->owner, memory_order_relaxed) != stream)
            continue;
        if (atomic_fetch_add_explicit(&slot->users, 1, memory_order_acquire) >= 0 &&
            atomic_load_explicit(&slot->owner, memory_order_relaxed) == stream) {
            sl_wipe(slot->table, SL_FACE_TABLE_LEN);
            atomic_store_explicit(&slot->owner, NULL, memory_order_relaxed);
        }
        atomic_fetch_sub_explicit(&slot->users, 1, memory_order_release);
    }
}
