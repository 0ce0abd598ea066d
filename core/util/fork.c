/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler runs in the child of every fork() before fork() returns there, while the child has
 * one thread: so the number is a plain one. Only children made around libc (a bare clone()) are
 * not noticed.
 */
#include "fork.h"

#include <pthread.h>

uint32_t fork_generation;

static void raise_generation(void)
{
    fork_generation++;
}

__attribute__((constructor)) static void watch(void)
{
    pthread_atfork(NULL, NULL, raise_generation);
}
