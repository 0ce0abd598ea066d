#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the headers declare is what the version script names and what the library exports.

All three are compared both ways. A function without LSM_API, a name in the version script twice
or out of order, and an exported symbol of another version are errors, too.

    exports.py INCLUDE_DIR VERSION_SCRIPT [LIBRARY]      exit 0: they agree
"""

import os
import re
import subprocess
import sys
from pathlib import Path


def without_comments(text):
    return re.sub(r'/\*.*?\*/', ' ', text, flags=re.DOTALL)


def declared(text):
    """The functions that a header's text declares, and those of them without LSM_API."""
    code = re.sub(r'^\s*#.*$', '', without_comments(text), flags=re.MULTILINE)
    names, hidden = set(), set()
    for statement in code.split(';'):
        found = re.search(r'\b(\w+)\s*\(', statement)
        if found and 'typedef' not in statement:
            names.add(found.group(1))
            if not re.search(r'\bLSM_API\b', statement[:found.start()]):
                hidden.add(found.group(1))
    return names, hidden


def mapped(text):
    """The version script's nodes, oldest first: a list of (version, names as they stand)."""
    nodes = re.findall(r'(\S+)\s*\{(.*?)\}', without_comments(text), flags=re.DOTALL)
    return [(version, re.findall(r'\b(\w+)\s*;', body))
            for version, body in nodes]


def exported(library):
    """The library's dynamic symbols: name -> version."""
    output = subprocess.run(
        [os.environ.get('NM', 'nm'), '-D', '--defined-only', '--with-symbol-versions', library],
        check=True, capture_output=True, text=True).stdout
    symbols = {}
    for line in output.splitlines():
        _, kind, symbol = line.split()
        if kind != 'A':  # the versions themselves
            name, _, version = symbol.partition('@')
            symbols[name] = version.lstrip('@')
    return symbols


def differences(names, where, others, elsewhere):
    return [f'{name}: in {where}, not in {elsewhere}' for name in sorted(names - others)]


def compare(headers, nodes, symbols=None):
    """All that does not agree, one line each."""
    names, hidden = declared(headers)
    wrong = [f'{name}: declared without LSM_API' for name in sorted(hidden)]
    version_of = {}
    for version, listed in nodes:
        if listed != sorted(listed):
            wrong.append(f'{version}: the names are not sorted')
        for name in listed:
            if name in version_of:
                wrong.append(f'{name}: twice in the version script')
            version_of[name] = version
    script = set(version_of)
    wrong += differences(names, 'the headers', script, 'the version script')
    wrong += differences(script, 'the version script', names, 'the headers')
    if symbols is not None:
        library = set(symbols)
        wrong += differences(script, 'the version script', library, 'the library')
        wrong += differences(library, 'the library', script, 'the version script')
        wrong += [f'{name}: exported as {symbols[name] or "no version"}, not {version_of[name]}'
                  for name in sorted(script & library) if symbols[name] != version_of[name]]
    return wrong


def self_test():
    """A comparison that cannot fail is worth nothing: each kind of disagreement must be seen."""
    headers = '/* int c(void); */\nLSM_API int a(int (*f)(void));\nLSM_API T *b(void);\n'
    script = 'V_1 { global: a; b; local: *; };'
    symbols = {'a': 'V_1', 'b': 'V_1'}
    assert compare(headers, mapped(script), symbols) == []
    for broken in (
        (headers + 'LSM_API int c(void);', script, symbols),
        (headers.replace('LSM_API T', 'T'), script, symbols),
        (headers, script.replace('b;', 'b; c;'), symbols),
        (headers, script.replace('a; b;', 'b; a;'), symbols),
        (headers, script.replace('a; b;', 'a; a; b;'), symbols),
        (headers, script, {'a': 'V_1'}),
        (headers, script, {**symbols, 'c': 'V_1'}),
        (headers, script, {**symbols, 'b': 'V_2'}),
    ):
        assert compare(broken[0], mapped(broken[1]), broken[2]), broken


def main(include, script, library=None):
    self_test()
    headers = '\n'.join(p.read_text() for p in sorted(Path(include, 'replicant').glob('*.h')))
    nodes = mapped(Path(script).read_text())
    wrong = compare(headers, nodes, exported(library) if library else None)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f'{len(declared(headers)[0])} functions, {len(wrong)} disagreements')
    return 1 if wrong else 0


if __name__ == '__main__':
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
