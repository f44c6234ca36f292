#define _GNU_SOURCE
#include "tests/numa/load.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/numa/guest.h"

static const uint8_t iv[SEALANE_BLOCK_LEN] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                              0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x00};

static sealane_key *key;
static uint8_t *keystream; /* the first keystream_len bytes of it, of LOAD_LEN_MAX */
static size_t keystream_len;

static void *map(size_t len)
{
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        broken("no %zu bytes of memory", len);
    return memory;
}

static void make_key(void)
{
    static sealane_engine *engine;
    uint8_t bytes[SEALANE_KEY_LEN];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    struct sealane_engine_options options = SEALANE_ENGINE_OPTIONS_INIT;
    options.allow_unlocked_memory = 1;
    enum sealane_error error = sealane_engine_create(&engine, &options);
    if (!error)
        error = sealane_key_create(engine, &key, bytes);
    if (error)
        broken("no key: %s", sealane_error_message(error));
    keystream = map(LOAD_LEN_MAX);
}

/* By one call that no pool has to do with. */
static void want_keystream(size_t len)
{
    if (len > LOAD_LEN_MAX)
        broken("a load of %zu bytes", len);
    if (len <= keystream_len)
        return;
    sealane_ctr_xor(key, iv, keystream_len, keystream + keystream_len, keystream + keystream_len, len - keystream_len);
    keystream_len = len;
}

sealane_pool *pool_of(unsigned threads)
{
    struct sealane_pool_options options = SEALANE_POOL_OPTIONS_INIT;
    sealane_pool *pool;
    options.threads = threads;
    if (!keystream)
        make_key();
    enum sealane_error error = sealane_pool_create(&pool, &options);
    if (!error)
        return pool;
    must(false, "a pool of %u threads: %s", threads, sealane_error_message(error));
    exit(findings());
}

/* In a call, the caller works in the place of a worker. */
static enum sealane_error submit_and_wait(sealane_pool *pool, uint8_t *memory, size_t len)
{
    const struct sealane_record record = {key, iv, 0, memory, memory, len};
    sealane_ticket ticket;
    enum sealane_error error = sealane_pool_submit(pool, &record, &ticket);
    return error ? error : sealane_pool_wait(pool, ticket);
}

bool load_once(sealane_pool *pool, uint8_t *memory, size_t len, bool call)
{
    enum sealane_error error =
        call ? sealane_pool_ctr_xor(pool, key, iv, 0, memory, memory, len) : submit_and_wait(pool, memory, len);
    want_keystream(len);
    bool right = !error && memcmp(memory, keystream, len) == 0;
    if (!right)
        must(false, "%zu bytes through the pool: %s", len, error ? sealane_error_message(error) : "wrong output");
    memset(memory, 0, len);
    return right;
}

static void *load_run(void *context)
{
    struct load *load = context;
    size_t len = 5 * MIB + 4321;
    uint8_t *memory = map(len);
    task_mine();
    load->right = true;
    while (!load->stop && load->right) {
        load->right = load_once(load->pool, memory, len, load->rounds % 2);
        load->rounds++;
    }
    munmap(memory, len);
    return NULL;
}

void load_start(struct load *load, sealane_pool *pool)
{
    pthread_t thread;
    *load = (struct load){.pool = pool};
    if (pthread_create(&thread, NULL, load_run, load) != 0)
        broken("no thread for the load");
    load->thread = (unsigned long)thread;
    load_wait(load, 1);
}

void load_wait(struct load *load, size_t rounds)
{
    size_t until = load->rounds + rounds;
    for (unsigned tenth = 0; load->rounds < until; tenth++) {
        if (tenth == 600) {
            must(false, "the pool has hung for a minute");
            exit(findings());
        }
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    }
}

bool load_stop(struct load *load, const char *meanwhile)
{
    load->stop = true;
    load_wait(load, 0);
    if (pthread_join((pthread_t)load->thread, NULL) != 0)
        broken("the load does not end");
    return must(load->right, "%zu rounds of work while %s: every byte right", load->rounds, meanwhile);
}
