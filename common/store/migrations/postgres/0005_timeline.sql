-- Which history of the database a store is in. A standby that is promoted begins another one: what its former primary may have
-- given out since is above everything of the generation before, and must not be given out again.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE FUNCTION own_timeline() RETURNS int8
LANGUAGE sql VOLATILE SET search_path = regionmesh, pg_temp AS $$
    SELECT ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::int8
$$;

ALTER TABLE cluster ADD COLUMN timeline int8 NOT NULL DEFAULT 0;
UPDATE cluster SET timeline = own_timeline();

-- What a connection asks first: which store this is and how far, whether it is in another history than it was, and how safe
-- what it confirms is.
DROP FUNCTION hello();
CREATE FUNCTION hello(OUT schema int4, OUT world_id bytea, OUT generation int4, OUT system int8, OUT database int8,
    OUT timeline int8, OUT noted int8, OUT commits text, OUT standbys text)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT c.schema, c.world_id, c.generation, s.system_identifier, d.oid::int8, own_timeline(), c.timeline,
        current_setting('synchronous_commit'), current_setting('synchronous_standby_names')
    FROM cluster c, pg_control_system() s, pg_database d WHERE d.datname = current_database()
$$;

-- Begins a generation if this history is not the one of before. It asks the database itself: who calls cannot say so. Who owns
-- and serves what stays: what was confirmed is here.
CREATE FUNCTION follow_timeline() RETURNS int4
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    own int8 := own_timeline();
BEGIN
    LOCK TABLE cluster IN ACCESS EXCLUSIVE MODE;
    UPDATE cluster c SET generation = c.generation + 1, timeline = own WHERE c.timeline <> own;
    IF FOUND THEN
        UPDATE node_start s SET start = s.start + 4096;
        UPDATE counter c SET value = c.value + 16777216 WHERE c.name = 'guest';
    END IF;
    RETURN (SELECT c.generation FROM cluster c);
END $$;
