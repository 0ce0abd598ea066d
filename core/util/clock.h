/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two clocks: one for people, one for measuring. */
#ifndef REPLICANT_UTIL_CLOCK_H
#define REPLICANT_UTIL_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);           /* milliseconds since 1970; may jump when somebody sets it */
uint64_t clock_monotonic_ns(void); /* never goes back; its zero means nothing */

#endif
