/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is recorded and cut. */
#ifndef REPLICANT_TESTS_FAULTS_CRASH_SEQUENCES_H
#define REPLICANT_TESTS_FAULTS_CRASH_SEQUENCES_H

struct crash_sequence {
    const char *name;
    void (*before)(void); /* what it begins with, not cut; NULL: an empty directory */
    void (*run)(void);
};

extern const struct crash_sequence crash_sequences[];
extern const int crash_sequence_count;

#endif
