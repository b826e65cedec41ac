-- Creatures that outlive the process of their region. Oldest program that may read this: the one before it, which leaves them where
-- they are.

CREATE TABLE creature (
    id          INTEGER PRIMARY KEY,
    region      INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    is_arriving INTEGER NOT NULL CHECK (is_arriving IN (0, 1)),
    body        BLOB NOT NULL CHECK (length(body) <= 2048)
) STRICT;
CREATE INDEX creature_by_region ON creature (region, id);
CREATE INDEX creature_arriving ON creature (region, id) WHERE is_arriving = 1;

-- How far the creatures of a region were written by its service.
CREATE TABLE creature_write (
    region       INTEGER PRIMARY KEY,
    region_epoch INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT;
