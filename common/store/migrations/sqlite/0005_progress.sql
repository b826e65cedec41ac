-- How far the world is, as nodes remember it outside of the store: grows with every round of a keeper.

ALTER TABLE cluster ADD COLUMN progress INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cluster ADD COLUMN progress_ms INTEGER NOT NULL DEFAULT 0;
