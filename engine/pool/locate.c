#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/pool/pool.h"

enum { ASKED_AT_ONCE = 64 };

/* move_pages(2) without nodes to move to only tells where pages are.  (hwloc_get_area_memlocation() asks for every page
 * of an area and gives the union of the answers.)  Where it is forbidden, as in some containers, all are unknown. */
void sl_pool_locate(const struct sl_plan *plan, const void **address, uint8_t *queues, unsigned count)
{
    memset(queues, plan->queue_count > 1 ? UINT8_MAX : 0, count);
    if (plan->queue_count < 2)
        return;
    for (unsigned i = 0; i < count; i += ASKED_AT_ONCE) {
        int node[ASKED_AT_ONCE];
        unsigned asked = count - i < ASKED_AT_ONCE ? count - i : ASKED_AT_ONCE;
        if (syscall(SYS_move_pages, 0, (unsigned long)asked, address + i, NULL, node, 0) != 0)
            return;
        for (unsigned k = 0; k < asked; k++)
            if (node[k] >= 0 && node[k] < SL_PLAN_NODES_MAX)
                queues[i + k] = plan->queue_of_node[node[k]];
    }
}
