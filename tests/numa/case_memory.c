#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "sealane/pool.h"
#include "tests/numa/cases.h"

struct buffer {
    uint8_t *memory;
    size_t len;
    bool zeroed;
};

/* The first touch is by a CPU of another node: by one of its own, memory that nobody bound would lie right, too. */
static void touch(void *context)
{
    struct buffer *buffer = context;
    buffer->zeroed = true;
    for (size_t i = 0; i < buffer->len; i += 4096) {
        buffer->zeroed = buffer->zeroed && buffer->memory[i] == 0;
        buffer->memory[i] = 1;
    }
    buffer->memory[buffer->len - 1] = 1;
}

/* A CPU that is not the node's; false: there is none. */
static bool stranger(const struct guest *guest, unsigned node, unsigned *cpu)
{
    uint64_t others = guest->usable & ~guest->cpus_of_node[node];
    *cpu = others ? (unsigned)__builtin_ctzll(others) : 0;
    return others != 0;
}

static void show_pages(const struct pages *pages, char *text, size_t room)
{
    size_t len = 0;
    text[0] = 0;
    for (unsigned node = 0; node < NODES_MAX; node++)
        if (pages->on[node])
            len += (size_t)snprintf(text + len, room - len, "%s%zu on node %u", len ? ", " : "", pages->on[node], node);
}

static bool all_on(const struct buffer *buffer, unsigned node, char *text, size_t room)
{
    struct pages pages;
    pages_look(&pages, buffer->memory, buffer->len);
    show_pages(&pages, text, room);
    return pages.on[node] == pages.all;
}

static bool take(struct buffer *buffer, size_t len, int node)
{
    *buffer = (struct buffer){.len = len};
    enum sealane_error error = sealane_node_alloc(&buffer->memory, len, node);
    if (error)
        return must(false, "%zu bytes for node %d: %s", len, node, sealane_error_message(error));
    return must((uintptr_t)buffer->memory % HUGE_PAGE == 0, "%zu bytes for node %d: aligned to 2 MiB", len, node);
}

static void check_node(const struct guest *guest, unsigned node)
{
    struct buffer buffer;
    unsigned cpu;
    char text[256];
    if (!stranger(guest, node, &cpu)) {
        must(false, "node %u: no CPU of another node to touch its memory", node);
        return;
    }
    if (!take(&buffer, 5 * MIB + 12345, (int)node))
        return;
    on_cpu(cpu, touch, &buffer);
    bool right = all_on(&buffer, node, text, sizeof text);
    placed(right, "buffer for node %u, touched by CPU %u of node %d: pages %s", node, cpu, guest_node_of(guest, cpu),
           text);
    must(buffer.zeroed, "buffer for node %u: zeroed", node);
    sealane_node_free(buffer.memory, buffer.len);
}

/* A huge page of memory may be one turn, so that shares differ by one at most. */
static void check_interleaved(const struct guest *guest)
{
    struct buffer buffer;
    struct pages pages;
    char text[256];
    unsigned nodes = (unsigned)__builtin_popcountll(guest->nodes);
    size_t turn = HUGE_PAGE / 4096;
    if (!take(&buffer, (size_t)nodes * 8 * MIB, SEALANE_INTERLEAVED))
        return;
    on_cpu((unsigned)__builtin_ctzll(guest->usable), touch, &buffer);
    pages_look(&pages, buffer.memory, buffer.len);
    show_pages(&pages, text, sizeof text);
    bool right = pages.nowhere == 0;
    for (unsigned node = 0; node < NODES_MAX; node++)
        if (guest->nodes >> node & 1)
            right = right && pages.on[node] * nodes + turn * nodes >= pages.all &&
                    pages.on[node] * nodes <= pages.all + turn * nodes;
    placed(right, "interleaved buffer: pages %s", text);
    must(buffer.zeroed, "interleaved buffer: zeroed");
    sealane_node_free(buffer.memory, buffer.len);
}

/* More than the last node has: the rest comes from others, and nobody is killed for it. */
void case_full(void)
{
    struct guest guest;
    guest_look(&guest);
    unsigned node = 63 - (unsigned)__builtin_clzll(guest.nodes);
    char path[96], line[256];
    unsigned long long free_kib = 0;
    struct buffer buffer;
    struct pages pages;
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/meminfo", node);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Node %*u MemFree: %llu", &free_kib) == 1)
            break;
    if (!file || fclose(file) != 0 || free_kib == 0)
        broken("%s tells nothing", path);
    if (!take(&buffer, (size_t)free_kib * 1024 + 32 * MIB, (int)node))
        return;
    touch(&buffer);
    pages_look(&pages, buffer.memory, buffer.len);
    show_pages(&pages, line, sizeof line);
    placed(pages.nowhere == 0 && pages.on[node] > pages.all / 2 && pages.on[node] < pages.all,
           "buffer for node %u of 32 MiB more than it has: pages %s", node, line);
    sealane_node_free(buffer.memory, buffer.len);
}

/* Two threads, each on its node, have buffers made at the same time, which the other one touches. */
enum { ROUNDS = 12 };

struct neighbour {
    pthread_barrier_t *barrier;
    struct neighbour *other;
    unsigned node;
    unsigned cpu;
    unsigned wrong;
};

static void *next_door(void *context)
{
    struct neighbour *self = context;
    struct buffer buffer[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t len = 300 * 1024 + i * (size_t)211 * 1024; /* some smaller than a huge page, some larger */
        buffer[i] = (struct buffer){.len = len};
        pthread_barrier_wait(self->barrier);
        if (sealane_node_alloc(&buffer[i].memory, len, (int)self->node))
            buffer[i].memory = NULL;
        else
            on_cpu(self->other->cpu, touch, &buffer[i]);
    }
    pthread_barrier_wait(self->barrier);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[256];
        self->wrong += !buffer[i].memory || !all_on(&buffer[i], self->node, text, sizeof text);
        if (buffer[i].memory)
            sealane_node_free(buffer[i].memory, buffer[i].len);
    }
    return NULL;
}

static void check_neighbours(const struct guest *guest)
{
    pthread_barrier_t barrier;
    struct neighbour pair[2];
    unsigned found = 0;
    for (unsigned node = 0; node < NODES_MAX && found < 2; node++)
        if ((guest->nodes >> node & 1) && (guest->cpus_of_node[node] & guest->usable))
            pair[found++] = (struct neighbour){
                .node = node, .cpu = (unsigned)__builtin_ctzll(guest->cpus_of_node[node] & guest->usable)};
    if (found < 2) {
        must(false, "no two nodes with CPUs and memory");
        return;
    }
    if (pthread_barrier_init(&barrier, NULL, 2) != 0)
        broken("no barrier");
    pthread_t thread[2];
    for (unsigned i = 0; i < 2; i++) {
        pair[i].barrier = &barrier;
        pair[i].other = &pair[1 - i];
        if (pthread_create(&thread[i], NULL, next_door, &pair[i]) != 0)
            broken("no thread");
    }
    for (unsigned i = 0; i < 2; i++)
        if (pthread_join(thread[i], NULL) != 0)
            broken("a thread does not end");
    pthread_barrier_destroy(&barrier);
    for (unsigned i = 0; i < 2; i++)
        placed(pair[i].wrong == 0, "%d buffers for node %u, made while as many were for node %u: %u lie wrong", ROUNDS,
               pair[i].node, pair[1 - i].node, pair[i].wrong);
}

void case_memory(void)
{
    struct guest guest;
    uint8_t *memory;
    guest_look(&guest);
    for (unsigned node = 0; node < NODES_MAX; node++)
        if (guest.nodes >> node & 1)
            check_node(&guest, node);
    check_interleaved(&guest);
    check_neighbours(&guest);
    for (int node = -2; node <= 64; node += 66) {
        enum sealane_error error = sealane_node_alloc(&memory, MIB, node);
        must(error == SEALANE_E_ARGUMENT, "memory for node %d: %s", node, sealane_error_message(error));
    }
}
