/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *     fuzz-NAME CORPUS [RUNS]     each file of the folder, then so many inputs made from them
 *
 * Runs a fuzzer's one function without a fuzzer's engine, so that every build can. With one
 * (clang -fsanitize=fuzzer) this file is left out. REPLICANT_TEST_SEED replays; an input that ends
 * the program is printed, to be put into the corpus.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUTS 256
#define INPUT_MAX 65536u
#define SECONDS_EACH 20

struct input {
    size_t size;
    uint8_t *data;
};

static struct input inputs[INPUTS];
static size_t count;
static uint8_t now[INPUT_MAX];
static volatile size_t now_size;

static uint64_t state;
uint32_t fuzz_random(uint32_t below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

/* Only what a signal handler may call. */
static void print_input(int number)
{
    static const char digits[] = "0123456789abcdef";
    static const char title[] = "\nthe input, in hex: ";
    if (write(STDERR_FILENO, title, sizeof title - 1) < 0)
        _exit(number);
    for (size_t i = 0; i < now_size; i++)
        if (write(STDERR_FILENO, (char[]){digits[now[i] >> 4], digits[now[i] & 15]}, 2) < 0)
            break;
    if (write(STDERR_FILENO, "\n", 1) < 0)
        _exit(number);
    signal(number, SIG_DFL);
    raise(number);
}

void fuzz_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

static void run(const uint8_t *data, size_t size)
{
    memcpy(now, data, size);
    now_size = size;
    alarm(SECONDS_EACH); /* one that does not end is a failure, too */
    LLVMFuzzerTestOneInput(data, size);
    alarm(0);
}

static void load(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    struct input *input = &inputs[count];
    if (!file || !(input->data = malloc(INPUT_MAX)))
        exit(2);
    input->size = fread(input->data, 1, INPUT_MAX, file);
    fclose(file);
    count++;
}

static int load_all(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return -1;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL && count < INPUTS;)
        if (entry->d_name[0] != '.')
            load(folder, entry->d_name);
    closedir(dir);
    return count ? 0 : -1;
}

/* A byte changed, a piece copied over another, cut out or put in. */
size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t max)
{
    for (uint32_t times = 1 + fuzz_random(4); times > 0; times--) {
        uint32_t at = fuzz_random((uint32_t)size + 1), much = 1 + fuzz_random(16);
        if (much > size - at)
            much = (uint32_t)(size - at);
        switch (fuzz_random(5)) {
        case 0:
            if (at < size)
                data[at] = (uint8_t)fuzz_random(256);
            break;
        case 1:
            if (at < size)
                data[at] ^= (uint8_t)(1u << fuzz_random(8));
            break;
        case 2:
            memmove(data + at, data + at + much, size - at - much);
            size -= much;
            break;
        case 3:
            if (size + much > max)
                break;
            memmove(data + at + much, data + at, size - at);
            size += much;
            break;
        default:
            if (much)
                memmove(data + fuzz_random((uint32_t)(size - much) + 1), data + at, much);
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t data[INPUT_MAX];
    const char *seed = getenv("REPLICANT_TEST_SEED"), *scale = getenv("REPLICANT_TEST_LONG");
    long runs = argc > 2 ? atol(argv[2]) : 0;
    if (argc < 2 || load_all(argv[1]) < 0) {
        fprintf(stderr, "usage: %s CORPUS [RUNS], and the corpus is a folder of files\n", argv[0]);
        return 2;
    }
    if (scale)
        runs *= 100;
    unsigned long long start = seed ? strtoull(seed, NULL, 0) : (unsigned long long)time(NULL);
    printf("REPLICANT_TEST_SEED=%llu\n", start);
    fflush(stdout);
    state = start * 0x9e3779b97f4a7c15 + 1;
    for (int i = 0; i < 3; i++)
        signal((int[]){SIGABRT, SIGSEGV, SIGALRM}[i], print_input);
    for (size_t i = 0; i < count; i++)
        run(inputs[i].data, inputs[i].size);
    for (long i = 0; i < runs; i++) {
        const struct input *input = &inputs[fuzz_random((uint32_t)count)];
        memcpy(data, input->data, input->size);
        run(data, fuzz_mutate(data, input->size, INPUT_MAX));
    }
    printf("%zu inputs of the corpus, %ld made from them\n", count, runs);
    fuzz_end();
    for (size_t i = 0; i < count; i++)
        free(inputs[i].data);
    return 0;
}
