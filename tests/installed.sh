#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A program written for libStorageMgmt compiles unchanged against the installed library, and one of
# ours too, with nothing but pkg-config's flags; and both run. The library goes to a scratch prefix.
#
#   installed.sh SOURCE_DIR BUILD_DIR PYTHON      with CC from the environment (cc)

set -eu
source=${1:?} build=${2:?} python=${3:?}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m mesonbuild.mesonmain install -C "$build" --no-rebuild --destdir "$scratch/image" \
    >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
pc=$(find "$scratch/image" -name replicant.pc)
[ -n "$pc" ] || { echo 'installed.sh: no replicant.pc' >&2; exit 1; }

# The image stands somewhere else than its prefix says, as in any package's build.
prefix=$scratch/image$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH="$(dirname "$pc")"
flags() { pkg-config --define-variable=prefix="$prefix" "$@" replicant; }
libdir=$(dirname "$(find "$prefix" -name libreplicant.so.0)")

cat >"$scratch/theirs.c" <<'EOF'
#include <libstoragemgmt/libstoragemgmt.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr error = NULL;
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    int rc = lsm_connect_password(argv[argc - 1], NULL, &conn, 30000, &error, LSM_CLIENT_FLAG_RSVD);
    if (rc != LSM_ERR_OK) {
        fprintf(stderr, "%d: %s\n", rc, lsm_error_message_get(error));
        lsm_error_free(error);
        return 1;
    }
    rc = lsm_pool_list(conn, NULL, NULL, &pools, &count, LSM_CLIENT_FLAG_RSVD);
    if (rc == LSM_ERR_OK && count > 0)
        lsm_pool_record_array_free(pools, count);
    return rc || lsm_connect_close(conn, LSM_CLIENT_FLAG_RSVD);
}
EOF
sed 's|libstoragemgmt/libstoragemgmt.h|replicant/replicant.h|' "$scratch/theirs.c" >"$scratch/ours.c"

for program in theirs ours; do
    # shellcheck disable=SC2046 # words
    ${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -o "$scratch/$program" "$scratch/$program.c" \
        $(flags --cflags --libs)
    mkdir "$scratch/root-$program"
    LD_LIBRARY_PATH=$libdir "$scratch/$program" "dir://$scratch/root-$program"
    echo "$program: compiled and ran"
done

# Nothing of compat's is where it could hide a distribution's own libstoragemgmt.
if [ -e "$prefix/include/libstoragemgmt" ]; then
    echo 'installed.sh: headers in the place of libstoragemgmt-dev' >&2
    exit 1
fi
