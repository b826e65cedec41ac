-- The highest version of a topology that any node has had in force: what an older one does not know is not given away for it.

ALTER TABLE cluster ADD COLUMN topology INTEGER NOT NULL DEFAULT 0;
