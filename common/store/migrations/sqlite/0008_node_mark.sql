-- What each node was last given to remember outside of the store: `progress` of its last round. Nodes that have had no round
-- since this table is there are compared with how far the world was then.

CREATE TABLE node_mark (
    node     INTEGER PRIMARY KEY,
    progress INTEGER NOT NULL
) STRICT;
ALTER TABLE cluster ADD COLUMN marks_since INTEGER NOT NULL DEFAULT 0;
UPDATE cluster SET marks_since = progress;
