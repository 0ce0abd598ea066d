/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entering: count yourself in, then look whether the gate is closed. Closing: close it, then look
 * at the counts. Both in sequentially consistent order, so at least one of the two sees the other.
 *
 * The counts only grow. A slot whose `left`, read first, equals its `entered`, read after it, was
 * empty in between: neither can have changed.
 */
#include "gate.h"
#include "../util/cleanup.h"

void gate_init(struct gate *gate)
{
    for (int i = 0; i < GATE_SLOTS; i++) {
        atomic_init(&gate->slots[i].entered, 0);
        atomic_init(&gate->slots[i].left, 0);
    }
    atomic_init(&gate->closed, false);
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

void gate_finish(struct gate *gate)
{
    pthread_mutex_destroy(&gate->lock);
    pthread_cond_destroy(&gate->changed);
}

static unsigned my_slot(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned slot = GATE_SLOTS;
    if (slot == GATE_SLOTS)
        slot = atomic_fetch_add(&threads, 1) % GATE_SLOTS;
    return slot;
}

void gate_leave(struct gate *gate, unsigned slot)
{
    atomic_fetch_add(&gate->slots[slot].left, 1);
    if (atomic_load(&gate->closed)) {
        LOCKED(&gate->lock);
        pthread_cond_broadcast(&gate->changed);
    }
}

unsigned gate_enter(struct gate *gate)
{
    unsigned slot = my_slot();
    for (;;) {
        atomic_fetch_add(&gate->slots[slot].entered, 1);
        if (!atomic_load(&gate->closed))
            return slot;
        gate_leave(gate, slot);
        LOCKED(&gate->lock);
        while (atomic_load(&gate->closed))
            pthread_cond_wait(&gate->changed, &gate->lock);
    }
}

static bool empty(struct gate *gate)
{
    for (int i = 0; i < GATE_SLOTS; i++) {
        unsigned left = atomic_load(&gate->slots[i].left);
        if (atomic_load(&gate->slots[i].entered) != left)
            return false;
    }
    return true;
}

uint64_t gate_count(const struct gate *gate)
{
    uint64_t count = 0;
    for (int i = 0; i < GATE_SLOTS; i++)
        count += atomic_load_explicit(&gate->slots[i].entered, memory_order_relaxed);
    return count;
}

void gate_close(struct gate *gate)
{
    atomic_store(&gate->closed, true);
    LOCKED(&gate->lock);
    while (!empty(gate))
        pthread_cond_wait(&gate->changed, &gate->lock);
}

void gate_open(struct gate *gate)
{
    LOCKED(&gate->lock);
    atomic_store(&gate->closed, false);
    pthread_cond_broadcast(&gate->changed);
}
