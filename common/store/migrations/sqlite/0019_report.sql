-- What players report of one another, with the last lines that the reporter's server had heard for it. Oldest program that may work on
-- this: the one before it, whose players report nothing.

CREATE TABLE report (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    by_user   INTEGER NOT NULL,
    about     INTEGER NOT NULL,
    why       TEXT NOT NULL CHECK (octet_length(why) <= 200),
    lines     TEXT NOT NULL CHECK (octet_length(lines) <= 4096),
    at_ms     INTEGER NOT NULL,
    -- When an operator was done with it, and with which words.
    closed_ms INTEGER,
    note      TEXT CHECK (octet_length(note) <= 200),
    CHECK ((closed_ms IS NULL) = (note IS NULL))
) STRICT;
CREATE INDEX report_of_user ON report (by_user, at_ms);
CREATE INDEX report_open ON report (id) WHERE closed_ms IS NULL;
