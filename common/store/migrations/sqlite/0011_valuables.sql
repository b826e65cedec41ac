-- Holdings that rules make and destroy, with bytes of the game's own, and that stand in trades. Oldest program that may read
-- this: the first one with these tables, since the table of holdings is made anew.

CREATE TABLE held (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL,
    user    INTEGER,
    region  INTEGER,
    x       REAL,
    y       REAL,
    trade   INTEGER,
    payload BLOB NOT NULL DEFAULT x'' CHECK (length(payload) <= 256),
    CHECK ((user IS NOT NULL) + (region IS NOT NULL) + (trade IS NOT NULL) = 1),
    CHECK ((region IS NULL) = (x IS NULL) AND (region IS NULL) = (y IS NULL))
) STRICT;
INSERT INTO held (id, kind, user, region, x, y) SELECT id, kind, user, region, x, y FROM holding;
DROP TABLE holding;
ALTER TABLE held RENAME TO holding;
CREATE INDEX holding_by_user ON holding (user) WHERE user IS NOT NULL;
CREATE INDEX holding_by_region ON holding (region) WHERE region IS NOT NULL;
CREATE INDEX holding_by_trade ON holding (trade) WHERE trade IS NOT NULL;

-- How many of each kind were made and destroyed by each node; node 0 made those with which the world began.
CREATE TABLE tally (
    node   INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    minted INTEGER NOT NULL,
    burned INTEGER NOT NULL,
    PRIMARY KEY (node, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO tally (node, kind, minted, burned) SELECT 0, kind, count(*), 0 FROM holding GROUP BY kind;

-- How far the ground of a region was written by its service. Not a part of the service: every login locks that.
CREATE TABLE region_state (
    region       INTEGER PRIMARY KEY,
    region_epoch INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT;

-- Open ones; what is offered in them is in the table of holdings, what is wanted is here, eight bytes each.
CREATE TABLE trade (
    id       INTEGER PRIMARY KEY,
    offerer  INTEGER NOT NULL,
    receiver INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    wants    BLOB NOT NULL
) STRICT;
CREATE INDEX trade_by_offerer ON trade (offerer);
