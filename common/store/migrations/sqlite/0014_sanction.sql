-- What operators do to users and networks: rows that are only ever added to. Whoever lets users in reads what is new. Kinds: 1 kick,
-- 2 ban, 3 the end of a ban. Oldest program that may read this: the one before it, which lets everybody in.

CREATE TABLE sanction (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    user          INTEGER,
    network       TEXT,
    kind          INTEGER NOT NULL CHECK (kind >= 1),
    generation    INTEGER NOT NULL,
    at_ms         INTEGER NOT NULL,
    until_ms      INTEGER NOT NULL,
    reason        TEXT NOT NULL CHECK (octet_length(reason) <= 200),
    -- No shorter than that of those before it about the same, which would count again else.
    read_until_ms INTEGER NOT NULL,
    CHECK ((user IS NULL) <> (network IS NULL))
) STRICT;
CREATE INDEX sanction_of_user ON sanction (user, seq) WHERE user IS NOT NULL;
CREATE INDEX sanction_of_network ON sanction (network, seq) WHERE network IS NOT NULL;
