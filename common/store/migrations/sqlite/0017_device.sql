-- Keys by which users come back without a password, guests as well. A guest is kept while one of its keys counts. Oldest program that may
-- work on this: the one before it, which prunes such guests.

CREATE TABLE device (
    key      BLOB PRIMARY KEY CHECK (length(key) = 32),
    user     INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_of_user ON device (user, until_ms);
