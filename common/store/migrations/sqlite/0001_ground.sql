-- Who owns whom, who holds what, which epoch is current. Numbers are signed 64-bit; the store refuses what does not
-- fit, except entity ids, which are kept bit by bit and never compared.

CREATE TABLE cluster (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    next_guest INTEGER NOT NULL,
    world_seed INTEGER
) STRICT;
INSERT INTO cluster (one, generation, next_guest) VALUES (1, 1, 1099511627776);

CREATE TABLE node_start (
    node  INTEGER PRIMARY KEY,
    start INTEGER NOT NULL
) STRICT;

CREATE TABLE region (
    region INTEGER PRIMARY KEY,
    node   INTEGER NOT NULL,
    epoch  INTEGER NOT NULL
) STRICT;

-- The auth role alone writes this one.
CREATE TABLE session (
    user       INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT;

CREATE TABLE player (
    user               INTEGER PRIMARY KEY,
    owner              INTEGER,
    region             INTEGER NOT NULL,
    region_epoch       INTEGER NOT NULL,
    owner_epoch        INTEGER NOT NULL,
    attempt            INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    entity             INTEGER NOT NULL,
    home_cell          INTEGER NOT NULL,
    session_generation INTEGER NOT NULL,
    attach_no          INTEGER NOT NULL,
    proxy              INTEGER,
    last_input         INTEGER NOT NULL,
    last_command       INTEGER NOT NULL,
    chain_hash         BLOB NOT NULL CHECK (length(chain_hash) = 32),
    state              BLOB NOT NULL,
    written_ms         INTEGER NOT NULL
) STRICT;

CREATE TABLE holding (
    id     INTEGER PRIMARY KEY,
    kind   INTEGER NOT NULL,
    user   INTEGER,
    region INTEGER,
    x      REAL,
    y      REAL,
    CHECK ((user IS NULL) <> (region IS NULL)),
    CHECK ((region IS NULL) = (x IS NULL) AND (region IS NULL) = (y IS NULL))
) STRICT;
CREATE INDEX holding_by_user ON holding (user) WHERE user IS NOT NULL;
CREATE INDEX holding_by_region ON holding (region) WHERE region IS NOT NULL;
