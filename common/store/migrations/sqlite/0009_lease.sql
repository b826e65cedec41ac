-- Which start of each node may serve regions, how often that was shown, and whether another node has ended it.

CREATE TABLE node_lease (
    node        INTEGER PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    beat        INTEGER NOT NULL,
    is_ended    INTEGER NOT NULL CHECK (is_ended IN (0, 1))
) STRICT;
