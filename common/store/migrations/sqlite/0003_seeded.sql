-- Which regions have got their first holdings, and the seed that these were made from. Until now a world got all of them
-- at once.

CREATE TABLE seeded (
    region INTEGER PRIMARY KEY,
    seed   INTEGER NOT NULL
) STRICT;
INSERT INTO seeded (region, seed)
    SELECT region.region, cluster.world_seed FROM region, cluster WHERE cluster.world_seed IS NOT NULL;
ALTER TABLE cluster DROP COLUMN world_seed;
