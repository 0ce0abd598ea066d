/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stack of 1,000 shared layers, with few descriptors. */
#ifndef REPLICANT_TESTS_FAULTS_DEEP_STACK_H
#define REPLICANT_TESTS_FAULTS_DEEP_STACK_H

#include <check.h>

void deep_stack_add(TCase *tcase);

#endif
