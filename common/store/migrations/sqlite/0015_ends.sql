-- Until when the newest login of each user may bring the user back into the world; NULL once it was ended. Those that are there when
-- this comes last as long as a fresh one. And an index for offers that nobody looks after.

ALTER TABLE session ADD COLUMN until_ms INTEGER;
UPDATE session SET until_ms = unixepoch() * 1000 + 1800000;
CREATE INDEX trade_by_end ON trade (until_ms);
