-- Who owns whom, who holds what, which epoch is current. Numbers are signed 64-bit; the store refuses what does not
-- fit, except entity ids, which are kept bit by bit and never compared. What counts up is a row, never a sequence: those may
-- go back when a standby is promoted.

CREATE SCHEMA regionmesh;
SET LOCAL search_path = regionmesh, pg_temp;

-- Every batch reads it first and so holds its table lock, which whoever raises the generation takes for itself.
CREATE TABLE cluster (
    one         int4  PRIMARY KEY CHECK (one = 1),
    world_id    bytea NOT NULL CHECK (length(world_id) = 16),
    cluster_id  bytea CHECK (length(cluster_id) = 16),
    generation  int4  NOT NULL CHECK (generation BETWEEN 1 AND 32767),
    schema      int4  NOT NULL
);
INSERT INTO cluster (one, world_id, generation, schema)
    VALUES (1, decode(replace(gen_random_uuid()::text, '-', ''), 'hex'), 1, 0);

CREATE TABLE counter (
    name  text PRIMARY KEY,
    value int8 NOT NULL
);
INSERT INTO counter (name, value) VALUES ('guest', 1099511627776), ('probe', 0);

CREATE TABLE node_start (
    node  int4 PRIMARY KEY,
    start int8 NOT NULL
);

-- Who serves a region. Nothing else stands here: every activation locks the row of its region, and what changed it for
-- another reason would wait for all of them.
CREATE TABLE region (
    region      int8 PRIMARY KEY,
    node        int4 NOT NULL,
    incarnation int8 NOT NULL,
    epoch       int8 NOT NULL
);

-- What a region keeps for itself; `seed` is what its first holdings were made from.
CREATE TABLE region_state (
    region int8 PRIMARY KEY,
    seed   int8 NOT NULL
);

-- The auth role alone writes this one.
CREATE TABLE session (
    user_id    int8 PRIMARY KEY,
    generation int8 NOT NULL,
    raised_ms  int8 NOT NULL
);

-- Written once a second for each who moves: room on the page lets a new version stay beside the old one.
CREATE TABLE player (
    user_id            int8  PRIMARY KEY,
    owner              int4,
    region             int8  NOT NULL,
    region_epoch       int8  NOT NULL,
    owner_epoch        int8  NOT NULL,
    attempt            int8  NOT NULL,
    version            int8  NOT NULL,
    entity             int8  NOT NULL,
    home_cell          int8  NOT NULL,
    session_generation int8  NOT NULL,
    attach_no          int8  NOT NULL,
    proxy              int4,
    last_input         int8  NOT NULL,
    last_command       int8  NOT NULL,
    chain_hash         bytea NOT NULL CHECK (length(chain_hash) = 32),
    state              bytea NOT NULL,
    written_ms         int8  NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE player ALTER state SET STORAGE EXTERNAL;

CREATE TABLE holding (
    id      int8 PRIMARY KEY,
    kind    int8 NOT NULL,
    user_id int8 REFERENCES player,
    region  int8,
    x       float8,
    y       float8,
    CHECK ((user_id IS NULL) <> (region IS NULL)),
    CHECK ((region IS NULL) = (x IS NULL) AND (region IS NULL) = (y IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX holding_by_user ON holding (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX holding_by_region ON holding (region) WHERE region IS NOT NULL;
