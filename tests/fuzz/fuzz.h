/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fuzzer gives to the driver, and the driver to a fuzzer. */
#ifndef REPLICANT_TESTS_FUZZ_H
#define REPLICANT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max); /* into another input: its size */
void fuzz_end(void);                                        /* when all are done */

uint32_t fuzz_random(uint32_t below);
size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t max);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_failed(__FILE__, __LINE__, #condition);                                           \
    } while (0)
void fuzz_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#endif
