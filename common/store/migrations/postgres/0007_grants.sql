-- Who may do what. Each node has a login of its own; functions find its node and kind by the login, whatever a request claims, and
-- let it change only what is its own. Whoever owns the schema may do everything: a store that only its owner uses needs no logins.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE TABLE login (
    name text PRIMARY KEY,
    node int4 NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('gameserver', 'proxy', 'auth'))
);

-- Whether the schema belongs to the caller.
CREATE FUNCTION is_owner() RETURNS bool
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT pg_has_role(session_user, n.nspowner, 'MEMBER') FROM pg_namespace n WHERE n.nspname = 'regionmesh'
$$;

-- What the caller is: a kind, or `operator`, or nothing.
CREATE FUNCTION caller(OUT node int4, OUT kind text)
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    SELECT l.node, l.kind INTO caller.node, caller.kind FROM login l WHERE l.name = session_user;
    IF NOT FOUND AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'regionmesh_operator'
        AND pg_has_role(session_user, r.oid, 'MEMBER'))
    THEN
        kind := 'operator';
    END IF;
END $$;

-- Refuses whoever speaks for another node.
CREATE FUNCTION speak_for(its_node int4) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    me record;
BEGIN
    IF is_owner() THEN
        RETURN;
    END IF;
    SELECT * INTO me FROM caller();
    IF me.node IS DISTINCT FROM its_node THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('the login %s is that of node %s, and speaks for node %s',
            session_user, coalesce(me.node::text, 'nobody'), its_node);
    END IF;
END $$;

-- Refuses a batch in which something is not for the caller to do.
CREATE FUNCTION may_write(ops op[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    me      record;
    strange record;
BEGIN
    IF is_owner() THEN
        RETURN;
    END IF;
    SELECT * INTO me FROM caller();
    SELECT o.kind, o.node, o.target INTO strange FROM unnest(ops) AS o WHERE NOT coalesce(CASE
        -- a start, a probe
        WHEN o.kind = 20 THEN me.node = o.node
        WHEN o.kind = 21 THEN me.kind IS NOT NULL
        -- serving, insert, activate, reclaim, closing a region: for itself
        WHEN o.kind IN (24, 25, 27, 37) THEN me.kind = 'gameserver' AND me.node = o.target
        WHEN o.kind = 23 THEN (me.kind = 'gameserver' AND me.node = o.target) OR me.kind = 'operator'
        -- pass, save, commit, release, rebind: what it owns
        WHEN o.kind IN (26, 28, 29, 30, 31) THEN me.kind = 'gameserver' AND me.node = o.node
        -- guests and logins
        WHEN o.kind IN (32, 33) THEN me.kind IN ('proxy', 'auth')
        -- seeding a region that it serves
        WHEN o.kind = 34 THEN me.kind = 'gameserver'
            AND EXISTS (SELECT FROM region r WHERE r.region = o.region AND r.node = me.node)
        -- forgetting guests, none sooner than a ticket ends
        WHEN o.kind = 35 THEN ((me.kind = 'gameserver' AND me.node = o.target) OR me.kind = 'operator') AND o.number >= 1200000
        WHEN o.kind = 36 THEN me.kind IN ('gameserver', 'operator') AND o.number >= 1200000
        ELSE false END, false) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('the login %s is that of %s %s, and may not ask for this (kind %s of node %s to %s)',
            session_user, coalesce(me.kind, 'nobody'), coalesce(me.node::text, ''), strange.kind, strange.node, strange.target);
    END IF;
END $$;

-- Refuses requests about leases in which a node starts, renews or gives for another one, or has another one take over.
CREATE FUNCTION may_lease(kinds int2[], nodes int4[], takers int4[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    me      record;
    strange record;
BEGIN
    IF is_owner() THEN
        RETURN;
    END IF;
    SELECT * INTO me FROM caller();
    SELECT o.kind, o.node, o.taker INTO strange FROM unnest(kinds, nodes, takers) AS o (kind, node, taker) WHERE NOT coalesce(CASE
        WHEN o.kind = 20 THEN me.node = o.node
        WHEN o.kind IN (38, 40) THEN me.kind = 'gameserver' AND me.node = o.node
        WHEN o.kind = 39 THEN me.kind = 'gameserver' AND me.node = o.taker
        ELSE false END, false) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('the login %s is that of %s %s, and may not ask for this (kind %s of node %s for %s)',
            session_user, coalesce(me.kind, 'nobody'), coalesce(me.node::text, ''), strange.kind, strange.node, strange.taker);
    END IF;
END $$;

-- Both are asked before anything is locked: what the functions are by now, with that line in front.
CREATE FUNCTION ask_first(its_function regproc, place text, question text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    before text := pg_get_functiondef(its_function);
    after  text := replace(before, place, question || chr(10) || '    ' || place);
BEGIN
    ASSERT before <> after, 'there is no such place';
    EXECUTE after;
END $$;
SELECT ask_first('write_batch', 'PERFORM lock_rows(', 'PERFORM may_write(ops);'),
    ask_first('lease_batch', 'LOCK TABLE cluster IN ACCESS SHARE MODE;', 'PERFORM may_lease(kinds, nodes, takers);');
DROP FUNCTION ask_first(regproc, text, text);

CREATE OR REPLACE FUNCTION look(its_node int4, OUT generation int4, OUT progress int8, OUT at_ms int8)
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    PERFORM speak_for(its_node);
    SELECT c.generation, coalesce(m.progress, 0), coalesce(m.at_ms, 0) INTO look.generation, look.progress, look.at_ms
        FROM cluster c LEFT JOIN node_mark m ON m.node = its_node;
END $$;

CREATE OR REPLACE FUNCTION keep(its_node int4, OUT generation int4, OUT progress int8, OUT at_ms int8)
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    PERFORM speak_for(its_node);
    INSERT INTO node_mark AS m (node, progress, at_ms) VALUES (its_node, 1, now_ms())
        ON CONFLICT (node) DO UPDATE SET progress = m.progress + 1, at_ms = excluded.at_ms
        RETURNING m.progress, m.at_ms INTO keep.progress, keep.at_ms;
    SELECT c.generation INTO keep.generation FROM cluster c;
END $$;

CREATE OR REPLACE FUNCTION hold_node(its_node int4) RETURNS bool
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    PERFORM speak_for(its_node);
    IF EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database()
        AND l.locktype = 'advisory' AND l.classid = 1380799304 AND l.objid = its_node AND l.granted AND l.pid = pg_backend_pid())
    THEN
        RETURN true;
    END IF;
    PERFORM set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '1', false),
        set_config('tcp_keepalives_count', '3', false);
    RETURN pg_try_advisory_lock(1380799304, its_node);
END $$;
