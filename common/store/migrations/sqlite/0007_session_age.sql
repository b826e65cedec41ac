-- When a session's generation was raised last: sessions of guests that never came to play are forgotten by it.

ALTER TABLE session ADD COLUMN raised_ms INTEGER NOT NULL DEFAULT 0;
UPDATE session SET raised_ms = unixepoch() * 1000;
