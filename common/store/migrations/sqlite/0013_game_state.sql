-- What a game keeps of each region, and of the world, which is place 0. Oldest program that may read this: the one before it, which
-- leaves the table aside.

CREATE TABLE game_state (
    place        INTEGER PRIMARY KEY,
    -- Which region has written it: epochs of different regions have no order.
    region       INTEGER NOT NULL,
    region_epoch INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    serial       INTEGER NOT NULL,
    state        BLOB NOT NULL CHECK (length(state) <= 65536)
) STRICT;
