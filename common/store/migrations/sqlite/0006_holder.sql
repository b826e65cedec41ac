-- Which start of its node serves a region: a later start shows that this service is over.

ALTER TABLE region ADD COLUMN since_start INTEGER NOT NULL DEFAULT 0;
