/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's generator alone: no seed of ours that a fork() could duplicate. A volume's id gives
 * up four of its bits for the leading 6, which makes it a valid NAA identifier as it stands.
 */
#include "guid.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/random.h>
#include "error.h"

static int random_bytes(uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t got = getrandom(bytes, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(LSM_ERR_IO, errno, NULL, "no random bytes from the kernel");
        bytes += got;
        count -= (size_t)got;
    }
    return LSM_ERR_OK;
}

int guid_make(char guid[GUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    int rc = random_bytes(bytes, sizeof bytes);
    if (rc != LSM_ERR_OK)
        return rc;
    for (size_t i = 0; i < sizeof bytes; i++) {
        guid[2 * i] = digits[bytes[i] >> 4];
        guid[2 * i + 1] = digits[bytes[i] & 15];
    }
    guid[GUID_SIZE - 1] = '\0';
    return LSM_ERR_OK;
}

int guid_make_volume(char guid[GUID_SIZE])
{
    int rc = guid_make(guid);
    if (rc == LSM_ERR_OK)
        guid[0] = '6';
    return rc;
}

bool guid_is(const char *text)
{
    if (!text)
        return false;
    for (int i = 0; i < GUID_SIZE - 1; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return text[GUID_SIZE - 1] == '\0';
}
