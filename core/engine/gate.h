/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume's gate: I/O goes through it, and whoever changes what stands behind it (a freeze, a
 * resize) closes it and waits until everybody has left. Passing an open gate is one atomic addition
 * in a slot that other threads rarely share; there is no lock.
 */
#ifndef REPLICANT_ENGINE_GATE_H
#define REPLICANT_ENGINE_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GATE_SLOTS 16

struct gate {
    struct {
        atomic_uint entered, left;
        char apart[56]; /* a cache line each */
    } slots[GATE_SLOTS];
    atomic_bool closed;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

void gate_init(struct gate *gate);
void gate_finish(struct gate *gate);

unsigned gate_enter(struct gate *gate); /* waits while it is closed; returns what leave wants */
void gate_leave(struct gate *gate, unsigned slot);

void gate_close(struct gate *gate); /* returns when nobody is inside; one closer at a time */
void gate_open(struct gate *gate);

/* How often it was entered, more or less: when that changes, somebody comes and goes. */
uint64_t gate_count(const struct gate *gate);

#endif
