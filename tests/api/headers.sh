#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each public header compiles alone, strictly, as C11 and as C++11, and twice in one file; so does
# each of libStorageMgmt's names for them.
#
#   headers.sh INCLUDE_DIR      with CC and CXX from the environment (cc, c++)

set -u
include=${1:?usage: headers.sh INCLUDE_DIR}
strict='-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only'
failed=0
checked=0

# compiles HEADER: as C and as C++. CC and CXX may hold several words, so they are not quoted.
compiles() {
    source="#include <$1>
#include <$1>
typedef int not_empty;"
    printf '%s\n' "$source" |
        ${CC:-cc} -x c -std=c11 $strict -I "$include" -I "$include/compat" - || return 1
    printf '%s\n' "$source" |
        ${CXX:-c++} -x c++ -std=c++11 $strict -I "$include" -I "$include/compat" - || return 1
}

for file in "$include"/replicant/*.h "$include"/compat/libstoragemgmt/*.h; do
    header=${file#"$include"/}
    header=${header#compat/}
    checked=$((checked + 1))
    compiles "$header" || { echo "headers.sh: $header does not compile alone" >&2; failed=1; }
done
[ "$checked" -ge 20 ] || { echo "headers.sh: only $checked headers in $include" >&2; exit 1; }

# What must not compile does not: otherwise nothing above means anything.
if compiles replicant/no_such_header.h 2>/dev/null; then
    echo "headers.sh: a header that is not there compiles" >&2
    failed=1
fi
exit $failed
