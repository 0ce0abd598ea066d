/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "crash_image.h"
#include "world.h"

#define FEW 5u       /* pending calls of which every combination is tried */
#define PREFIXES 12u /* of more */
#define SHOWN 60u
#define BLOCK_BYTES 4096u /* what a file has as holes */

/* --- trees --- */

/* Until a call changes it, a node has what the tree that it was copied from has. */
static void own(struct crash_node *node)
{
    const struct crash_node from = *node;
    if (!node->lent)
        return;
    node->lent = false;
    node->bytes = malloc(from.size + 1);
    node->entries = malloc((from.count + 1) * sizeof *node->entries);
    MUST(node->bytes && node->entries);
    if (from.size)
        memcpy(node->bytes, from.bytes, from.size);
    if (from.count)
        memcpy(node->entries, from.entries, from.count * sizeof *node->entries);
}

static void lend(struct crash_tree *to, const struct crash_tree *from)
{
    to->nodes = malloc(from->count * sizeof *to->nodes);
    to->count = from->count;
    MUST(to->nodes != NULL);
    for (uint32_t i = 0; i < from->count; i++) {
        to->nodes[i] = from->nodes[i];
        to->nodes[i].lent = true;
    }
}

/* --- what a call does ------------------------------------------------------------------------- */

static void set_size(struct crash_node *file, uint64_t size)
{
    if (size > file->size) {
        file->bytes = realloc(file->bytes, size);
        MUST(file->bytes != NULL);
        memset(file->bytes + file->size, 0, size - file->size);
    }
    file->size = size;
}

/* The sectors of a write whose bits are set. */
static void write_sectors(struct crash_node *file, const struct crash_call *call, uint64_t bits)
{
    for (uint64_t at = 0, n; at < call->length; at += n) {
        uint64_t left = call->length - at, sector = at / CRASH_SECTOR;
        n = left < CRASH_SECTOR ? left : CRASH_SECTOR;
        if (!(bits >> (sector % 64) & 1))
            continue;
        if (call->offset + at + n > file->size)
            set_size(file, call->offset + at + n);
        memcpy(file->bytes + call->offset + at, call->bytes + at, n);
    }
}

static void zero_sectors(struct crash_node *file, const struct crash_call *call, uint64_t bits)
{
    uint64_t end =
        call->offset + call->length < file->size ? call->offset + call->length : file->size;
    for (uint64_t at = call->offset; at < end; at++)
        if (bits >> (at / CRASH_SECTOR % 64) & 1)
            file->bytes[at] = 0;
}

static void apply(struct crash_tree *tree, const struct crash_call *call, uint64_t bits)
{
    struct crash_node *node = &tree->nodes[call->node];
    own(node);
    switch (call->kind) {
    case CRASH_WRITE: write_sectors(node, call, bits); break;
    case CRASH_ZERO: zero_sectors(node, call, bits); break;
    case CRASH_SIZE: set_size(node, call->length); break;
    case CRASH_NAME:
        if (call->from[0])
            crash_name_set(node, call->from, 0);
        crash_name_set(node, call->name, call->child);
        break;
    case CRASH_SYNC: break;
    }
}

/* --- cuts ------------------------------------------------------------------------------------- */

void crash_cut_begin(struct crash_cut *cut, const struct crash_log *log)
{
    *cut = (struct crash_cut){.log = log};
    lend(&cut->durable, &log->before);
    cut->pending = malloc((log->count + 1) * sizeof *cut->pending);
    MUST(cut->pending != NULL);
}

void crash_cut_end(struct crash_cut *cut)
{
    crash_tree_free(&cut->durable);
    free(cut->pending);
}

static void settle(struct crash_cut *cut, uint32_t node)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < cut->count; i++) {
        const struct crash_call *call = &cut->log->calls[cut->pending[i]];
        if (call->node == node)
            apply(&cut->durable, call, UINT64_MAX);
        else
            cut->pending[left++] = cut->pending[i];
    }
    cut->count = left;
}

void crash_cut_move(struct crash_cut *cut, size_t at)
{
    for (; cut->at < at; cut->at++) {
        const struct crash_call *call = &cut->log->calls[cut->at];
        if (call->kind == CRASH_SYNC)
            settle(cut, call->node);
        else
            cut->pending[cut->count++] = (uint32_t)cut->at;
    }
}

bool crash_cut_is_last(const struct crash_cut *cut)
{
    const struct crash_call *next = &cut->log->calls[cut->at];
    if (cut->at == cut->log->count)
        return true;
    for (uint32_t i = 0; next->kind == CRASH_SYNC && i < cut->count; i++)
        if (cut->log->calls[cut->pending[i]].node == next->node)
            return true;
    return false;
}

/* --- choices ---------------------------------------------------------------------------------- */

/* What becomes of each pending call: the sectors that reach the disk. */
struct fate {
    uint64_t bits;
    uint32_t group; /* a file's writes are one group, a name is one */
};

static uint64_t dice(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static const struct crash_call *pending(const struct crash_cut *cut, uint32_t i)
{
    return &cut->log->calls[cut->pending[i]];
}

static uint32_t groups(const struct crash_cut *cut, struct fate *fates)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < cut->count; i++) {
        uint32_t k = 0;
        const struct crash_call *call = pending(cut, i);
        while (k < i && (call->kind == CRASH_NAME || pending(cut, k)->kind == CRASH_NAME ||
                         pending(cut, k)->node != call->node))
            k++;
        fates[i].group = k < i ? fates[k].group : count++;
    }
    return count;
}

static uint32_t prefixes(const struct crash_cut *cut)
{
    return cut->count < PREFIXES ? cut->count : PREFIXES;
}

uint32_t crash_choices(const struct crash_cut *cut, uint32_t thrown)
{
    struct fate *fates = calloc(cut->count + 1, sizeof *fates);
    MUST(fates != NULL);
    uint32_t n = groups(cut, fates);
    free(fates);
    if (cut->count == 0)
        return 1;
    return 2 + (n > 1 ? 2 * n : 0) + (cut->count <= FEW ? 1u << cut->count : prefixes(cut)) +
           thrown;
}

static void only_group(const struct crash_cut *cut, struct fate *fates, uint32_t group, bool but)
{
    for (uint32_t i = 0; i < cut->count; i++)
        fates[i].bits = (fates[i].group == group) != but ? UINT64_MAX : 0;
}

static void only_first(const struct crash_cut *cut, struct fate *fates, uint32_t count)
{
    for (uint32_t i = 0; i < cut->count; i++)
        fates[i].bits = i < count ? UINT64_MAX : 0;
}

/* By the dice: what came first, the last of it torn; whole files; all but one call; each by itself,
 * and some torn. */
static void throw(const struct crash_cut *cut, struct fate *fates, uint64_t *state)
{
    uint64_t how = dice(state) % 4, mask = dice(state), one = dice(state) % cut->count;
    uint64_t often = 1 + dice(state) % 7;
    for (uint32_t i = 0; i < cut->count; i++) {
        uint64_t own = dice(state), torn = dice(state);
        bool is = how == 0   ? i <= one
                  : how == 1 ? mask >> (fates[i].group % 64) & 1
                  : how == 2 ? i != one
                             : own % 8 < often;
        fates[i].bits = is ? UINT64_MAX : 0;
        if ((how == 0 && i == one) || (how == 2 && i == one) || (how == 3 && own % 3 == 0))
            fates[i].bits = torn;
    }
}

static void choose(const struct crash_cut *cut, uint32_t choice, uint64_t seed, struct fate *fates)
{
    uint64_t state = seed ^ ((uint64_t)cut->at << 20) ^ choice;
    uint32_t n = groups(cut, fates), few = cut->count <= FEW ? 1u << cut->count : 0;
    n = n > 1 ? n : 0;
    if (choice < 2)
        only_first(cut, fates, choice ? cut->count : 0);
    else if (choice < 2 + n)
        only_group(cut, fates, choice - 2, false);
    else if (choice < 2 + 2 * n)
        only_group(cut, fates, choice - 2 - n, true);
    else if (choice < 2 + 2 * n + few)
        for (uint32_t i = 0; i < cut->count; i++)
            fates[i].bits = (choice - 2 - 2 * n) >> i & 1 ? UINT64_MAX : 0;
    else if (!few && choice < 2 + 2 * n + prefixes(cut))
        only_first(cut, fates, cut->count * (choice - 2 - 2 * n) / prefixes(cut));
    else
        throw(cut, fates, &state);
    for (uint32_t i = 0; i < cut->count; i++) /* names and lengths are not torn */
        if (pending(cut, i)->kind == CRASH_NAME || pending(cut, i)->kind == CRASH_SIZE)
            fates[i].bits = fates[i].bits & 1 ? UINT64_MAX : 0;
}

void crash_image_make(const struct crash_cut *cut, uint32_t choice, uint64_t seed,
                      struct crash_tree *image)
{
    struct fate *fates = calloc(cut->count + 1, sizeof *fates);
    MUST(fates != NULL);
    if (cut->count)
        choose(cut, choice, seed, fates);
    lend(image, &cut->durable);
    for (uint32_t i = 0; i < cut->count; i++)
        if (fates[i].bits)
            apply(image, pending(cut, i), fates[i].bits);
    free(fates);
}

/* --- for people ------------------------------------------------------------------------------- */

/* The name that a file has, or had first. */
static const char *name_of(const struct crash_log *log, uint32_t node)
{
    for (uint32_t i = 0; i < log->before.count; i++)
        for (uint32_t k = 0; k < log->before.nodes[i].count; k++)
            if (log->before.nodes[i].entries[k].node == node)
                return log->before.nodes[i].entries[k].name;
    for (size_t i = 0; i < log->count; i++)
        if (log->calls[i].kind == CRASH_NAME && log->calls[i].child == node)
            return log->calls[i].name;
    return "the root";
}

void crash_choice_print(const struct crash_cut *cut, uint32_t choice, uint64_t seed, FILE *out)
{
    static const char *const kinds[] = {"write", "zero", "size", "name", "sync"};
    struct fate *fates = calloc(cut->count + 1, sizeof *fates);
    MUST(fates != NULL);
    if (cut->count)
        choose(cut, choice, seed, fates);
    for (uint32_t i = cut->count > SHOWN ? cut->count - SHOWN : 0; i < cut->count; i++) {
        const struct crash_call *call = pending(cut, i);
        const char *what = fates[i].bits == UINT64_MAX ? "there"
                           : fates[i].bits             ? "torn "
                                                       : "lost ";
        fprintf(out, "    %s  %6u %s %s", what, cut->pending[i], kinds[call->kind],
                name_of(cut->log, call->node));
        if (call->kind == CRASH_NAME)
            fprintf(out, "/%s%s\n", call->name, call->child ? "" : " (removed)");
        else
            fprintf(out, " %llu+%llu\n", (unsigned long long)call->offset,
                    (unsigned long long)call->length);
    }
    free(fates);
}

/* --- images ----------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct crash_tree *image, uint32_t number, uint64_t hash)
{
    const struct crash_node *node = &image->nodes[number];
    uint64_t sum = 0; /* in any order */
    if (!node->directory)
        return XXH64(node->bytes, node->size, hash);
    for (uint32_t i = 0; i < node->count; i++) {
        uint64_t name = XXH64(node->entries[i].name, strlen(node->entries[i].name), 0);
        sum += hash_of(image, node->entries[i].node, name);
    }
    return XXH64(&sum, sizeof sum, hash);
}

uint64_t crash_image_hash(const struct crash_tree *image)
{
    return hash_of(image, 1, 0);
}

static bool is_zero(const unsigned char *bytes, uint64_t count)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

static void write_file(const struct crash_node *file, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    MUST(fd >= 0 && ftruncate(fd, (off_t)file->size) == 0);
    for (uint64_t at = 0, n; at < file->size; at += n) {
        n = file->size - at < BLOCK_BYTES ? file->size - at : BLOCK_BYTES;
        if (!is_zero(file->bytes + at, n))
            MUST(pwrite(fd, file->bytes + at, n, (off_t)at) == (ssize_t)n);
    }
    close(fd);
}

static void write_directory(const struct crash_tree *image, uint32_t number, const char *path,
                            const char *without)
{
    const struct crash_node *node = &image->nodes[number];
    MUST(mkdir(path, 0700) == 0 || errno == EEXIST);
    for (uint32_t i = 0; i < node->count; i++) {
        const struct crash_entry *entry = &node->entries[i];
        char below[600];
        if (without && strcmp(entry->name, without) == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->name);
        if (image->nodes[entry->node].directory)
            write_directory(image, entry->node, below, NULL);
        else
            write_file(&image->nodes[entry->node], below);
    }
}

void crash_image_write(const struct crash_tree *image, const char *directory, const char *without)
{
    write_directory(image, 1, directory, without);
}
