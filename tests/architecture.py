#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing calls up: who may include and import whom.

Reads the #include lines of every C file, the imports of every Python and Go file, and holds them
against the rules below. A file or folder that no rule speaks of is an error too: a new room gets
its rule here first. Before that the rules are held against violations made up in memory, so that a
check which cannot fail is noticed.

    architecture.py [ROOT]      exit 0: the direction holds
"""

import ast
import re
import sys
from pathlib import Path

# core/: a room, and what its files may include besides their own room and the public headers.
# A name that ends with '/' is a folder.
ROOMS = {
    'core/include/': [],
    'core/util/': [],
    'core/record.': ['core/record.', 'core/util/'],
    'core/backend.h': ['core/record.'],
    'core/backend.c': ['core/backend.h', 'core/record.', 'core/util/'],
    'core/job/': ['core/record.', 'core/util/'],
    'core/api/': ['core/backend.h', 'core/record.', 'core/job/event.h', 'core/util/'],
    'core/engine/': ['core/backend.h', 'core/record.', 'core/job/', 'core/util/'],
    'tests/contract/': [],
    'tests/api/': [],
    'tests/python/': [],
    'tests/bench/': [],
    'tests/engine/': ['core/'],
    'tests/faults/': ['core/', 'tests/engine/'],
    'tests/fuzz/': ['core/'],
    'examples/': [],
    'bindings/': [],
    'go/': [],
    'python/': [],
}

# core/engine from the bottom up: a file includes headers of its own line and of lines above it.
ENGINE = [
    ['vfs', 'vfs_sqlite'],
    ['map', 'descriptor'],
    ['layer', 'layer_files'],
    ['stack'],
    ['gate', 'helpers'],
    ['catalog', 'catalog_private', 'catalog_open'],
    ['upkeep'],
    ['pool', 'pool_layers', 'pool_shut'],
    ['volume', 'volume_stack', 'volume_tags'],
    ['sync'],
    ['freeze', 'aside'],
    ['fold'],
    ['chores'],
    ['contents'],
    ['root'],
    ['volume_io'],
    ['mover'],
    ['fill'],
    ['clone', 'copy', 'flatten', 'range', 'replicate', 'scrub', 'mirror', 'mirror_ship',
     'mirror_split', 'mirror_sync', 'mirror_log', 'mirror_part', 'mirror_birth', 'mirror_anew', 'mirror_load',
     'mirror_work', 'mirror_move', 'mirror_commit', 'mirror_stop', 'mirror_verbs'],
    ['engine', 'engine_replication'],
]
ENGINE_LEVEL = {name: level for level, names in enumerate(ENGINE) for name in names}

# Libraries that only some files may know.
RESERVED = {
    'sqlite3.h': ['core/util/', 'core/job/', 'core/engine/vfs', 'core/engine/catalog',
                  'tests/engine/', 'tests/faults/', 'tests/fuzz/'],
}

# Made by the build.
MADE = ('schema.sql.h',)

C_FILES = ('.c', '.h', '.i')
SKIPPED = re.compile(r'(^|/)(build[^/]*|__pycache__|\.[^/]+|node_modules|dist)(/|$)')
GENERATED = re.compile(r'^go/internal/creplicant/creplicant(_wrap\.c|\.go)$')
INCLUDE = re.compile(r'^\s*[#%]\s*include\s*([<"])([^>"]+)[>"]', re.M)
GO_MODULE = 'github.com/libreplicant/libreplicant/'


def room_of(path):
    found = [room for room in ROOMS if path.startswith(room)]
    return max(found, key=len, default=None)


def engine_level(path):
    return ENGINE_LEVEL.get(Path(path).stem)


def resolve(path, quote, name, files):
    """What an #include names in this tree: a path, or None for a library of somebody else."""
    if name.startswith('replicant/') or name.startswith('libstoragemgmt/'):
        compat = 'core/include/compat/' + name
        return compat if compat in files else 'core/include/' + name
    near = str(Path(path).parent / name)
    parts = []
    for part in near.split('/'):
        if part == '..' and parts:
            parts.pop()
        elif part != '.':
            parts.append(part)
    for candidate in ('/'.join(parts), 'core/' + name, 'core/engine/' + name, 'bindings/' + name):
        if candidate in files:
            return candidate
    return None


def check_c(path, text, files):
    room = room_of(path)
    if room is None:
        yield 'no rule speaks of this folder'
        return
    if room == 'core/engine/' and engine_level(path) is None:
        yield 'has no place in the order of core/engine'
    for quote, name in INCLUDE.findall(text):
        for reserved, owners in RESERVED.items():
            if name == reserved and not any(path.startswith(owner) for owner in owners):
                yield f'includes {name}, which is for {", ".join(owners)}'
        target = resolve(path, quote, name, files)
        if target is None:
            if quote == '"' and path.startswith(('core/', 'examples/')) and name not in MADE:
                yield f'includes "{name}", which is not there'
            continue
        allowed = [room, 'core/include/'] + ROOMS[room]
        if room.endswith(('.h', '.c')):
            allowed.remove(room)
        if path.startswith('core/include/') and not target.startswith('core/include/'):
            yield f'a public header includes {target}'
        elif not any(target.startswith(prefix) for prefix in allowed):
            yield f'includes {target}'
        elif room == 'core/engine/' and target.startswith(room):
            here, there = engine_level(path), engine_level(target)
            if here is not None and there is not None and there > here:
                yield f'includes {target}, which stands above it'


def python_imports(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module + '.' if node.module else ''
            yield from ((node.level, module + alias.name) for alias in node.names)


def check_python(path, text):
    if path.startswith('python/replicant/'):
        own, foreign = ('replicant',), ('ctypes', '_ctypes')
    elif path.startswith('examples/python/'):
        own, foreign = ('replicant',), ('ctypes', '_ctypes', 'sqlite3')
    else:
        return
    for level, name in python_imports(text):
        top = name.split('.')[0]
        if path.startswith('examples/') and 'creplicant' in name:
            yield f'imports {name}: the generated module is for the package alone'
        if level:
            continue
        if top in foreign or (top not in sys.stdlib_module_names and top not in own
                              and top not in ('_creplicant', 'creplicant')):
            yield f'imports {name}'


def go_imports(text):
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    for block in re.findall(r'^import\s*\((.*?)^\)', text, re.M | re.S):
        yield from re.findall(r'^\s*(?:[\w.]+\s+)?"([^"]+)"', block, re.M)
    yield from re.findall(r'^import\s+(?:[\w.]+\s+)?"([^"]+)"', text, re.M)


def check_go(path, text):
    for name in go_imports(text):
        if name == 'C':
            if not path.startswith('go/internal/creplicant/'):
                yield 'imports "C": cgo is for go/internal/creplicant'
        elif name.startswith(GO_MODULE):
            inside = name[len(GO_MODULE):]
            if path.startswith('go/internal/creplicant/') and inside != 'go/internal/creplicant':
                yield f'imports {name}'
        elif '.' in name.split('/')[0] and path.startswith('go/'):
            yield f'imports {name}'


def check(files):
    """Every violation in `files`, a dictionary path → text."""
    for path, text in sorted(files.items()):
        if GENERATED.match(path):
            continue
        if path.endswith(C_FILES):
            problems = check_c(path, text, files)
        elif path.endswith('.py'):
            problems = check_python(path, text)
        elif path.endswith('.go'):
            problems = check_go(path, text)
        else:
            continue
        for problem in problems:
            yield f'{path}: {problem}'


def read(root):
    files = {}
    for path in root.rglob('*'):
        name = path.relative_to(root).as_posix()
        if path.suffix in ('.c', '.h', '.i', '.py', '.go') and not SKIPPED.search(name) \
                and path.is_file():
            files[name] = path.read_text(encoding='utf-8')
    return files


# What must be refused, each alone in a small tree that is fine without it.
GOOD = {
    'core/include/replicant/types.h': '',
    'core/backend.h': '#include "record.h"\n',
    'core/record.h': '#include <replicant/types.h>\n',
    'core/util/error.h': '#include <replicant/types.h>\n',
    'core/job/event.h': '#include "util/error.h"\n',
    'core/job/job.h': '#include "../record.h"\n',
    'core/engine/vfs.h': '#include <sqlite3.h>\n',
    'core/engine/layer.c': '#include "vfs.h"\n#include "../util/error.h"\n',
    'core/engine/engine.h': '',
    'core/engine/engine.c': '#include "engine.h"\n#include "../backend.h"\n#include "job/job.h"\n',
    'core/api/job.c': '#include "../backend.h"\n#include "job/event.h"\n',
}
BAD = {
    'core/util/vector.c': '#include "../record.h"\n',
    'core/record.c': '#include "backend.h"\n',
    'core/job/worker.c': '#include "engine/vfs.h"\n',
    'core/job/store.c': '#include "../backend.h"\n',
    'core/engine/stack.c': '#include "engine.h"\n',
    'core/engine/pool.c': '#include "../api/record.h"\n',
    'core/engine/odd.c': '',
    'core/api/pool.c': '#include "../engine/vfs.h"\n',
    'core/api/volume.c': '#include "job/job.h"\n',
    'core/api/io.c': '#include <sqlite3.h>\n',
    'core/include/replicant/pool.h': '#include "../../record.h"\n',
    'core/newroom/x.c': '',
    'tests/contract/replicate.c': '#include "../../core/record.h"\n',
    'examples/c/story.c': '#include "engine/vfs.h"\n',
    'bindings/python.i': '%{\n#include "../core/backend.h"\n%}\n',
    'python/replicant/pool.py': 'import ctypes\n',
    'python/replicant/job.py': 'from numpy import array\n',
    'examples/python/story.py': 'from replicant import creplicant\n',
    'go/pool.go': 'package replicant\n\nimport "C"\n',
    'go/job.go': 'package replicant\n\nimport (\n\t"fmt"\n\t"golang.org/x/sync"\n)\n',
}


def blind_spots():
    extra = {'core/api/record.h': ''}
    yield from check(GOOD)
    for path, text in BAD.items():
        if not any(line.startswith(path) for line in check({**GOOD, **extra, path: text})):
            yield f'{path}: the check does not see {text!r}'


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    blind = list(blind_spots())
    for line in blind:
        print('self-test:', line)
    files = read(root)
    problems = list(check(files))
    for line in problems:
        print(line)
    print(f'architecture: {len(files)} files, {len(problems)} against the direction; '
          f'{len(BAD)} made-up violations, {len(blind)} not seen')
    return 1 if blind or problems or not files else 0


if __name__ == '__main__':
    sys.exit(main())
