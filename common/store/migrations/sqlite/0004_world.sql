-- Which world this is: made here, and the same in every copy of the file.

ALTER TABLE cluster ADD COLUMN world_id BLOB CHECK (world_id IS NULL OR length(world_id) = 16);
UPDATE cluster SET world_id = randomblob(16);
