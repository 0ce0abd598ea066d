/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a call costs, and what is kept in memory. There is no peer: the bars are absolute. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

void bench_job_get(const struct bench *b, char **arguments)
{
    (void)arguments;
    lsm_volume *source = bench_volume(b, "source", MIB), *none = NULL;
    lsm_job *job = NULL;
    char *id = NULL;
    lsm_volume_replicate(b->conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, "copy", &none, &id, 0);
    bench_check(b->conn, lsm_job_wait(b->conn, id, UINT32_MAX, &job, 0), "wait");
    lsm_job_record_free(job);
    for (unsigned round = 0; round < b->rounds; round++) {
        const int calls = 100000;
        uint64_t begun = bench_now();
        for (int i = 0; i < calls; i++) {
            job = NULL;
            if (lsm_job_get(b->conn, id, &job, 0) != LSM_ERR_OK)
                bench_fail("job get");
            lsm_job_record_free(job);
        }
        bench_print("job-get", (double)(bench_now() - begun) / calls, 0);
    }
    free(id);
    lsm_volume_record_free(source);
}

/* Of a clone that is open and was written to, so that it has a map with something in it: all that
 * this process did not need before it. */
void bench_open_volumes(const struct bench *b, char **arguments)
{
    size_t count = strtoull(arguments[0], NULL, 10);
    lsm_volume *source = bench_volume(b, "source", 1024 * MIB);
    lsm_volume **clones = calloc(count, sizeof *clones);
    lsm_volume_io **ios = calloc(count, sizeof *ios);
    if (!clones || !ios)
        bench_fail("calloc");
    bench_delete(b, bench_clone(b, source, "the first"));
    bench_block();
    malloc_trim(0); /* what was freed is no room for what comes */
    uint64_t before = bench_memory_kib("Rss:");
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "clone %zu", i);
        clones[i] = bench_clone(b, source, name);
    }
    for (size_t i = 0; i < count; i++) {
        ios[i] = bench_open(b, clones[i]);
        bench_write(ios[i], 4 * KIB, 0);
    }
    bench_print("open-volume", (double)(bench_memory_kib("Rss:") - before) / (double)count, 0);
    for (size_t i = 0; i < count; i++) {
        bench_close(ios[i]);
        lsm_volume_record_free(clones[i]);
    }
    free(ios);
    free(clones);
    lsm_volume_record_free(source);
}
