-- What players report of one another, with the last lines that the reporter's server had heard for it. Oldest program that may work with
-- this: the one before it, whose players report nothing.

SET LOCAL search_path = regionmesh, pg_temp;

-- Numbered by a row that is locked until the commit, so that whoever has seen a number has seen all below it.
INSERT INTO counter (name, value) VALUES ('report', 0);

CREATE TABLE player_report (
    id        int8 PRIMARY KEY,
    by_user   int8 NOT NULL,
    about     int8 NOT NULL,
    why       text NOT NULL CHECK (octet_length(why) <= 200),
    lines     text NOT NULL CHECK (octet_length(lines) <= 4096),
    at_ms     int8 NOT NULL,
    -- When an operator was done with it, and with which words.
    closed_ms int8,
    note      text CHECK (octet_length(note) <= 200),
    CHECK ((closed_ms IS NULL) = (note IS NULL))
);
CREATE INDEX player_report_of_user ON player_report (by_user, at_ms);
CREATE INDEX player_report_open ON player_report (id) WHERE closed_ms IS NULL;

-- Its number; NULL: there are too many, of this user within that time or of all that nobody has closed.
CREATE FUNCTION add_report(its_user int8, of_user int8, its_why text, its_lines text, within_ms int8, most_each int4, most_open int4)
RETURNS int8
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    number int8;
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    UPDATE counter c SET value = c.value + 1 WHERE c.name = 'report' RETURNING c.value INTO STRICT number;
    IF (SELECT count(*) FROM player_report r WHERE r.by_user = its_user AND r.at_ms > now_ms() - within_ms) >= most_each
        OR (SELECT count(*) FROM (SELECT FROM player_report r WHERE r.closed_ms IS NULL LIMIT most_open) AS open) >= most_open
    THEN
        RETURN NULL;
    END IF;
    INSERT INTO player_report (id, by_user, about, why, lines, at_ms)
        VALUES (number, its_user, of_user, its_why, its_lines, now_ms());
    RETURN number;
END $$;

-- Ascending; those that are closed only where they are asked for.
CREATE FUNCTION read_reports(above int8, with_closed bool, most int4)
RETURNS TABLE (id int8, by_user int8, about int8, why text, lines text, at_ms int8, closed_ms int8, note text)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT r.id, r.by_user, r.about, r.why, r.lines, r.at_ms, r.closed_ms, r.note FROM player_report r
        WHERE r.id > above AND (with_closed OR r.closed_ms IS NULL) ORDER BY r.id LIMIT most
$$;

-- Whether there was one to close. Those that were closed long ago go.
CREATE FUNCTION close_report(its_id int8, its_note text, keep_ms int8) RETURNS bool
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    DELETE FROM player_report r WHERE r.closed_ms <= now_ms() - keep_ms;
    UPDATE player_report r SET closed_ms = now_ms(), note = its_note WHERE r.id = its_id AND r.closed_ms IS NULL;
    RETURN FOUND;
END $$;
