-- SPDX-License-Identifier: LGPL-2.1-or-later
-- A pool's catalog, version 3. Ids are 32 hex digits, sizes bytes, times ms since 1970.

CREATE TABLE pool (
    id          TEXT    NOT NULL,
    limit_bytes INTEGER NOT NULL, -- 0: the file system's size
    created_ms  INTEGER NOT NULL
);

CREATE TABLE layer (
    row         INTEGER PRIMARY KEY,
    guid        TEXT    NOT NULL UNIQUE, -- its files: layers/<guid>.raw and .map
    state       INTEGER NOT NULL,        -- 0 spare, 1 writable, 2 frozen
    below       INTEGER REFERENCES layer,-- NULL: a base
    below_limit INTEGER NOT NULL,        -- the smallest size of the volume since it was put here
    is_full     INTEGER NOT NULL,        -- the volume's size is reserved in this layer
    generation  TEXT                     -- of a frozen one: the name of its instant
);
CREATE INDEX layer_below ON layer (below);

CREATE TABLE volume (
    id          TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    size        INTEGER NOT NULL,
    provision   INTEGER NOT NULL,
    admin_state INTEGER NOT NULL,
    top         INTEGER NOT NULL REFERENCES layer,
    parent      TEXT,                    -- the volume that it was cloned from and depends on
    is_ready    INTEGER NOT NULL,        -- 0: a job is filling it
    key         TEXT,                    -- the idempotency key it was asked for with,
    request     TEXT,                    -- and what was asked for
    created_ms  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tag (
    volume TEXT NOT NULL REFERENCES volume ON DELETE CASCADE,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (volume, key)
) WITHOUT ROWID;

-- A layer that stays as it is for its owner: a job (whose row may live in another pool), or a
-- replication's last common instant.
CREATE TABLE hold (
    owner TEXT    NOT NULL,
    pool  TEXT    NOT NULL,
    layer INTEGER NOT NULL REFERENCES layer,
    PRIMARY KEY (owner, layer)
) WITHOUT ROWID;

-- One half of a mirror's relation: the source's pool has side 0, the target's side 1. Whatever
-- changes the state raises the epoch, and after a crash the half with the higher one is believed.
CREATE TABLE replication (
    id          TEXT    NOT NULL,
    side        INTEGER NOT NULL,
    peer        TEXT    NOT NULL, -- the other half's pool
    source      TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    type        INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    generation  TEXT    NOT NULL, -- the last instant that both sides have; '' before the first
    interval_ms INTEGER NOT NULL,
    rate_limit  INTEGER NOT NULL,
    on_error    INTEGER NOT NULL,
    synced_ms   INTEGER NOT NULL, -- the last ship: when, how much, how long
    synced_bytes       INTEGER NOT NULL,
    synced_duration_ms INTEGER NOT NULL,
    error       INTEGER NOT NULL,
    message     TEXT,
    diverged    TEXT,             -- the clone that kept what was rewound
    group_id    TEXT,             -- which relations are of one instant with it
    PRIMARY KEY (id, side)
) WITHOUT ROWID;
