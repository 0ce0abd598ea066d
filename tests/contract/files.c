/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

const char *path_of(const char *format, ...)
{
    static char paths[8][700];
    static int turn;
    char *path = paths[turn++ % 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path, sizeof paths[0], format, arguments);
    va_end(arguments);
    return path;
}

void file_write(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

char *file_read(const char *path, size_t *n)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    ck_assert_int_eq(fstat(fileno(file), &st), 0);
    char *bytes = calloc(1, (size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(bytes);
    *n = fread(bytes, 1, (size_t)st.st_size, file);
    fclose(file);
    return bytes;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* FNV-1a: enough to tell whether a file has changed. */
static uint64_t digest(const char *path)
{
    size_t n;
    uint64_t hash = 14695981039346656037u;
    autotext char *bytes = file_read(path, &n);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    return hash;
}

static void look(FILE *list, const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            struct stat st;
            const char *path = path_of("%s/%s", directory, name);
            ck_assert_int_eq(lstat(path, &st), 0);
            fprintf(list, "%s %o %lld %lld.%09ld %llx\n", path, st.st_mode,
                    S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                    st.st_mtim.tv_nsec,
                    S_ISREG(st.st_mode) ? (unsigned long long)digest(path) : 0ULL);
            if (S_ISDIR(st.st_mode)) {
                autotext char *below = strdup(path);
                look(list, below);
            }
        }
        free(entries[i]);
    }
    free(entries);
}

char *files_look(const char *directory)
{
    char *text = NULL;
    size_t size = 0;
    autotext char *top = strdup(directory); /* it may be one of path_of()'s */
    FILE *list = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(list);
    look(list, top);
    fclose(list);
    return text;
}
