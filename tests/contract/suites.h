/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A behaviour is a file and a test case of the same name; suites.c puts them together. */
#ifndef REPLICANT_TESTS_CONTRACT_SUITES_H
#define REPLICANT_TESTS_CONTRACT_SUITES_H

#include "kit.h"

/* calls: what each call answers */
TCase *capabilities(void);
TCase *delete_volume(void);
TCase *enable(void);
TCase *last_error(void);
TCase *names(void);
TCase *outputs(void);
TCase *pool_check(void);
TCase *pool_check_damaged(void);
TCase *pools(void);
TCase *search(void);
TCase *sizes(void);
TCase *tags(void);
TCase *unknown(void);
TCase *volume_record(void);

/* io: reading, writing, resizing */
TCase *extents(void);
TCase *io_calls(void);
TCase *resize(void);

/* replicate: asking for replicants */
TCase *detach(void);
TCase *group_copy(void);
TCase *groups(void);
TCase *keys(void);
TCase *range_jobs(void);
TCase *ranges(void);
TCase *refusals(void);

/* mirror-async: asynchronous mirrors, in all their states */

/* jobs: what takes time, and what is heard of it */
TCase *event_lost(void);
TCase *events(void);
TCase *job_progress(void);
TCase *job_restart(void);
TCase *job_status(void);
TCase *job_target(void);
TCase *job_verbs(void);

/* mirrors: standing relations, or 153 */
TCase *mirror_broken(void);
TCase *mirror_data(void);
TCase *mirrors(void);

/* mirror-sync: synchronous mirrors, in all their states and under writers */
TCase *group_sync(void);
TCase *sync_away(void);
TCase *sync_log(void);
TCase *sync_split(void);
TCase *sync_table(void);
TCase *sync_target(void);
TCase *sync_writers(void);

/* mirror-async: asynchronous mirrors, state by state; and -long: for a while */
TCase *group_mirror(void);
TCase *mirror_async_ends(void);
TCase *mirror_async_kill(void);
TCase *mirror_async_life(void);
TCase *mirror_async_pools(void);
TCase *mirror_async_roles(void);
TCase *mirror_async_ship(void);
TCase *mirror_async_stamps(void);
TCase *mirror_async_table(void);

/* data: byte for byte */
TCase *clone_data(void);
TCase *copy_data(void);
TCase *full_volumes(void);
TCase *layers_random(void);
TCase *under_writer(void);
TCase *zero_data(void);

/* files: what dir:// finds on disk, and what it must not touch */
TCase *catalog(void);
TCase *damaged(void);
TCase *foreign(void);
TCase *full_disk(void);
TCase *owner(void);
TCase *read_only_disk(void);
TCase *same_root(void);
TCase *shut_pools(void);

#endif
