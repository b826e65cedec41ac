-- What nodes do with a store beside asking it: make it their cluster's, show that they are there, and remember how far it is.

SET LOCAL search_path = regionmesh, pg_temp;

-- How far the world is as each node was last told: its data directory has the same, and notices a world that was set back.
CREATE TABLE node_mark (
    node     int4 PRIMARY KEY,
    progress int8 NOT NULL,
    at_ms    int8 NOT NULL
);

-- Makes a new store the cluster's; says whose it is.
CREATE FUNCTION claim(its_cluster bytea) RETURNS bytea
LANGUAGE sql VOLATILE SET search_path = regionmesh, pg_temp AS $$
    UPDATE cluster SET cluster_id = coalesce(cluster_id, its_cluster) RETURNING cluster_id
$$;

-- How far the world is, as this node has been told.
CREATE FUNCTION look(its_node int4, OUT generation int4, OUT progress int8, OUT at_ms int8)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT c.generation, coalesce(m.progress, 0), coalesce(m.at_ms, 0)
    FROM cluster c LEFT JOIN node_mark m ON m.node = its_node
$$;

-- One more round of this node.
CREATE FUNCTION keep(its_node int4, OUT generation int4, OUT progress int8, OUT at_ms int8)
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    INSERT INTO node_mark AS m (node, progress, at_ms) VALUES (its_node, 1, now_ms())
        ON CONFLICT (node) DO UPDATE SET progress = m.progress + 1, at_ms = excluded.at_ms
        RETURNING m.progress, m.at_ms INTO keep.progress, keep.at_ms;
    SELECT c.generation INTO keep.generation FROM cluster c;
END $$;

-- Shows for as long as this session lasts that a process of the node is there; false when another session shows it. A session whose
-- host is gone ends within seconds.
CREATE FUNCTION hold_node(its_node int4) RETURNS bool
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()
        AND l.locktype = 'advisory' AND l.classid = 1380799304 AND l.objid = its_node AND l.granted AND l.pid = pg_backend_pid())
    THEN
        RETURN true;
    END IF;
    PERFORM set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '1', false),
        set_config('tcp_keepalives_count', '3', false);
    RETURN pg_try_advisory_lock(1380799304, its_node);
END $$;

-- Whether some session shows that a process of the node is there.
CREATE FUNCTION node_is_held(its_node int4) RETURNS bool
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()
        AND l.locktype = 'advisory' AND l.classid = 1380799304 AND l.objid = its_node AND l.granted)
$$;

-- Begins a generation above `above`: nobody owns or serves anything that was owned or served in an older one, and no number comes
-- twice that was given out since the state that is gone on from.
CREATE FUNCTION begin_anew(above int4) RETURNS int4
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    steps int4;
BEGIN
    LOCK TABLE cluster IN ACCESS EXCLUSIVE MODE;
    SELECT greatest(above + 1 - c.generation, 1) INTO STRICT steps FROM cluster c;
    UPDATE cluster c SET generation = c.generation + steps;
    UPDATE node_start s SET start = s.start + 4096 * steps;
    UPDATE counter c SET value = c.value + 16777216::int8 * steps WHERE c.name = 'guest';
    UPDATE player p SET owner = NULL WHERE p.owner IS NOT NULL;
    DELETE FROM region;
    RETURN (SELECT c.generation FROM cluster c);
END $$;

-- What a store holds, for people.
CREATE FUNCTION report(OUT cluster_id bytea, OUT world_id bytea, OUT schema int4, OUT generation int4, OUT players int8, OUT guests int8,
    OUT held int8, OUT on_ground int8, OUT nodes int4[], OUT complaints text[])
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    SELECT c.cluster_id, c.world_id, c.schema, c.generation INTO report.cluster_id, report.world_id, report.schema, report.generation
        FROM cluster c;
    SELECT count(*), count(*) FILTER (WHERE p.user_id >= 1099511627776) INTO players, guests FROM player p;
    SELECT count(h.user_id), count(h.region) INTO held, on_ground FROM holding h;
    nodes := ARRAY (SELECT l.objid::int4 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()
        AND l.locktype = 'advisory' AND l.classid = 1380799304 AND l.granted ORDER BY 1);
    complaints := '{}';
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        complaints := complaints || ('synchronous_commit is ' || current_setting('synchronous_commit')
            || ': what was confirmed may be lost with the server, and epochs be issued twice; set it to on');
    END IF;
    IF current_setting('fsync') <> 'on' OR current_setting('full_page_writes') <> 'on' THEN
        complaints := complaints || 'fsync or full_page_writes is off: a power failure may leave a database that cannot be read'::text;
    END IF;
    IF EXISTS (SELECT FROM holding h WHERE h.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM player p WHERE p.user_id = h.user_id)) THEN
        complaints := complaints || 'somebody without a row holds something'::text;
    END IF;
    IF EXISTS (SELECT FROM player p, cluster c WHERE p.owner_epoch >> 48 > c.generation)
        OR EXISTS (SELECT FROM region r, cluster c WHERE r.epoch >> 48 > c.generation) THEN
        complaints := complaints || 'an epoch lies above the generation of the store'::text;
    END IF;
END $$;
