-- Users with a password, who are guests no more: they are kept for good. Kinds of what is done to users since: 4 another password, 5 the
-- account is no more. Oldest program that may work on this: this one, since the one before it prunes accounts like guests.

CREATE TABLE account (
    user           INTEGER PRIMARY KEY,
    name           TEXT NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    -- As it is looked for, and what it looks like: of two names that people take for one another, one is free.
    fold           TEXT NOT NULL UNIQUE CHECK (octet_length(fold) BETWEEN 1 AND 1024),
    look           TEXT NOT NULL UNIQUE CHECK (octet_length(look) BETWEEN 1 AND 1024),
    -- argon2id, as PHC strings are written.
    verifier       TEXT NOT NULL CHECK (octet_length(verifier) BETWEEN 1 AND 256),
    made_ms        INTEGER NOT NULL,
    -- SHA-256 of a code by which the password may be set.
    reset_hash     BLOB CHECK (length(reset_hash) = 32),
    reset_until_ms INTEGER,
    CHECK ((reset_hash IS NULL) = (reset_until_ms IS NULL))
) STRICT;
