-- A batch is one call: it takes its requests as arrays, one element each, and answers in rows that name the element.
--
-- Kinds of requests. Read: 1 service, 2 holder, 3 player, 4 owner, 5 session, 6 holdings on the ground, 7 holdings of a
-- user, 8 page of all holdings, 9 counts, 10 chain, 11 stale guests, 12 generation, 13 regions in use. Written: 20 start of a
-- node, 21 probe, 22 raise of the generation, 23 serve, 24 insert, 25 activate, 26 pass, 27 reclaim, 28 save, 29 commit,
-- 30 release, 31 rebind, 32 next guest, 33 raise of a session, 34 seed, 35 forget a guest, 36 forget sessions, 37 close a region.
--
-- Outcomes: 0 end of a list, 1 applied or found, 2 refused, 3 does not serve, 4 older, 5 the holding is elsewhere, 6 who is to
-- get it has no row, 7 the epoch is used up, 8 a rule forbids it, 9 a row is damaged.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE TYPE answer AS (
    op      int4,
    outcome int2,
    n1      int8,
    n2      int8,
    n3      int8,
    n4      int8,
    bytes   bytea,
    p       player,
    h       holding
);

CREATE TYPE op AS (
    no                 int4,
    kind               int2,
    user_id            int8,
    node               int4,
    target             int4,
    region             int8,
    region_epoch       int8,
    owner_epoch        int8,
    attempt            int8,
    version            int8,
    entity             int8,
    home_cell          int8,
    session_generation int8,
    attach_no          int8,
    proxy              int4,
    last_input         int8,
    last_command       int8,
    chain_hash         bytea,
    state              bytea,
    number             int8,
    x                  float8,
    y                  float8,
    part               int4,
    count              int4
);

-- The epoch that is `steps` after this one; the first of the generation if this one is older.
CREATE FUNCTION epoch_after(current int8, generation int4, steps int4) RETURNS int8
LANGUAGE plpgsql IMMUTABLE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    IF current >> 48 < generation THEN
        RETURN generation::int8 << 48 | 1;
    END IF;
    FOR step IN 1..steps LOOP
        IF current & 281474976710655 = 281474976710655 THEN
            RAISE EXCEPTION USING ERRCODE = 'RM007', MESSAGE = current::text;
        END IF;
        current := current + 1;
    END LOOP;
    RETURN current;
END $$;

-- Whether a service is the current one, and stays so until the transaction ends.
CREATE FUNCTION serves(its_node int4, its_region int8, its_epoch int8) RETURNS bool
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    PERFORM FROM region s
        WHERE s.region = its_region AND s.node = its_node AND s.epoch = its_epoch FOR SHARE;
    RETURN FOUND;
END $$;

-- The clock of the store, Unix milliseconds.
CREATE FUNCTION now_ms() RETURNS int8
LANGUAGE sql VOLATILE AS $$ SELECT (date_part('epoch', clock_timestamp()) * 1000)::int8 $$;

-- Where a look at guests begins, exclusively.
CREATE FUNCTION guests_after(user_id int8) RETURNS int8
LANGUAGE sql IMMUTABLE AS $$ SELECT greatest(coalesce(user_id, 0), 1099511627775) $$;

-- Requests that change nothing, all of a kind by one statement.
CREATE FUNCTION read_batch(kinds int2[], users int8[], regions int8[], numbers int8[]) RETURNS SETOF answer
LANGUAGE plpgsql VOLATILE
SET search_path = regionmesh, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
SET lock_timeout = '3s'
AS $$
DECLARE
    ask    record;
    guest  record;
    last   int8;
    named  int8;
    stales int4;
BEGIN
    IF 3 = ANY (kinds) THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, NULL::int8, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, p, NULL::holding
            FROM unnest(kinds, users) WITH ORDINALITY AS o (kind, user_id, no) JOIN player p ON p.user_id = o.user_id
            WHERE o.kind = 3;
    END IF;
    IF kinds && '{4, 5, 10}' THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, p.owner_epoch, p.owner::int8, p.region, NULL::int8, NULL::bytea, NULL::player, NULL::holding
            FROM unnest(kinds, users) WITH ORDINALITY AS o (kind, user_id, no) JOIN player p ON p.user_id = o.user_id
            WHERE o.kind = 4;
        RETURN QUERY SELECT o.no::int4, 1::int2, s.generation, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
            FROM unnest(kinds, users) WITH ORDINALITY AS o (kind, user_id, no) JOIN session s ON s.user_id = o.user_id
            WHERE o.kind = 5;
        RETURN QUERY SELECT o.no::int4, 1::int2, p.last_command, NULL::int8, NULL::int8, NULL::int8, p.chain_hash, NULL::player, NULL::holding
            FROM unnest(kinds, users) WITH ORDINALITY AS o (kind, user_id, no) JOIN player p ON p.user_id = o.user_id
            WHERE o.kind = 10;
    END IF;
    IF kinds && '{1, 2}' THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, r.epoch, r.node::int8, r.incarnation, coalesce(s.start, 0), NULL::bytea, NULL::player, NULL::holding
            FROM unnest(kinds, regions) WITH ORDINALITY AS o (kind, region, no) JOIN region r ON r.region = o.region
            LEFT JOIN node_start s ON s.node = r.node
            WHERE o.kind IN (1, 2);
    END IF;
    IF 6 = ANY (kinds) THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, NULL::int8, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, h
            FROM unnest(kinds, regions) WITH ORDINALITY AS o (kind, region, no) JOIN holding h ON h.region = o.region
            WHERE o.kind = 6 ORDER BY o.no, h.id;
    END IF;
    IF 7 = ANY (kinds) THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, NULL::int8, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, h
            FROM unnest(kinds, users) WITH ORDINALITY AS o (kind, user_id, no) JOIN holding h ON h.user_id = o.user_id
            WHERE o.kind = 7 ORDER BY o.no, h.id;
    END IF;
    IF NOT kinds && '{8, 9, 11, 12, 13}' THEN
        RETURN;
    END IF;
    FOR ask IN SELECT o.no::int4 AS no, o.kind, o.user_id, o.number
        FROM unnest(kinds, users, numbers) WITH ORDINALITY AS o (kind, user_id, number, no) WHERE o.kind IN (8, 9, 11, 12, 13) ORDER BY o.no
    LOOP
        CASE ask.kind
        WHEN 8 THEN
            RETURN QUERY SELECT ask.no, 1::int2, NULL::int8, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, h
                FROM holding h WHERE h.id > ask.number ORDER BY h.id LIMIT 4096;
        WHEN 9 THEN
            RETURN QUERY SELECT ask.no, 1::int2, h.kind, count(h.user_id), count(h.region), NULL::int8, NULL::bytea, NULL::player, NULL::holding
                FROM holding h GROUP BY h.kind ORDER BY h.kind;
        WHEN 11 THEN
            last := (SELECT p.user_id FROM player p WHERE p.user_id > guests_after(ask.user_id) ORDER BY p.user_id OFFSET 4095 LIMIT 1);
            stales := 0;
            FOR guest IN SELECT p.user_id, p.region, p.home_cell, p.owner_epoch FROM player p
                WHERE p.user_id > guests_after(ask.user_id) AND p.user_id <= coalesce(last, 9223372036854775807)
                AND p.written_ms <= now_ms() - ask.number AND (p.owner IS NULL
                    OR NOT EXISTS (SELECT FROM region r WHERE r.region = p.region AND r.epoch <= p.region_epoch))
                ORDER BY p.user_id LIMIT 64
            LOOP
                stales := stales + 1;
                named := guest.user_id;
                RETURN NEXT ROW (ask.no, 1, guest.user_id, guest.region, guest.home_cell, guest.owner_epoch, NULL, NULL, NULL)::answer;
            END LOOP;
            RETURN NEXT ROW (ask.no, 0, CASE WHEN stales < 64 THEN last ELSE named END, NULL, NULL, NULL, NULL, NULL, NULL)::answer;
        WHEN 12 THEN
            RETURN QUERY SELECT ask.no, 1::int2, c.generation::int8, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
                FROM cluster c;
        WHEN 13 THEN
            RETURN QUERY SELECT ask.no, 1::int2, u.region, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
                FROM (SELECT p.region FROM player p WHERE p.owner IS NOT NULL
                    UNION SELECT h.region FROM holding h WHERE h.region IS NOT NULL) AS u ORDER BY u.region;
        END CASE;
    END LOOP;
END $$;

-- Locks all that a batch will change before it changes anything, regions before players before the rest and each in
-- ascending order, so that no two batches wait for each other.
CREATE FUNCTION lock_rows(ops op[], kinds int2[], c_kinds int2[], c_holdings int8[], c_holders int8[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = regionmesh, pg_temp
AS $$
DECLARE
    area     record;
    locked   int8[];
BEGIN
    IF kinds && '{23, 24, 25, 26, 27, 35, 37}' THEN
        FOR area IN SELECT o.region, bool_or(o.kind = 23) AS is_taken FROM unnest(ops) AS o
            WHERE o.kind IN (23, 24, 25, 26, 27, 35, 37) GROUP BY o.region ORDER BY o.region
        LOOP
            IF area.is_taken THEN
                PERFORM FROM region r WHERE r.region = area.region FOR UPDATE;
            ELSE
                PERFORM FROM region r WHERE r.region = area.region FOR SHARE;
            END IF;
        END LOOP;
    END IF;
    IF kinds && '{24, 25, 26, 27, 28, 29, 30, 31, 35, 37}' THEN
        locked := ARRAY (SELECT o.user_id FROM unnest(ops) AS o WHERE o.kind BETWEEN 24 AND 35 AND o.user_id IS NOT NULL
            UNION SELECT c.holder FROM unnest(c_kinds, c_holders) AS c (kind, holder) WHERE c.kind = 2);
        IF 37 = ANY (kinds) THEN
            locked := locked || ARRAY (SELECT p.user_id FROM unnest(ops) AS o JOIN player p ON p.region = o.region
                WHERE o.kind = 37 AND p.owner IS NOT NULL);
        END IF;
        IF 35 = ANY (kinds) THEN
            PERFORM FROM player p WHERE p.user_id = ANY (locked) ORDER BY p.user_id FOR UPDATE;
        ELSE
            PERFORM FROM player p WHERE p.user_id = ANY (locked) ORDER BY p.user_id FOR NO KEY UPDATE;
        END IF;
    END IF;
    IF c_kinds && '{1, 2, 3, 5}' THEN
        PERFORM FROM holding h WHERE h.id = ANY (c_holdings) ORDER BY h.id FOR NO KEY UPDATE;
    END IF;
    IF 35 = ANY (kinds) THEN
        locked := ARRAY (SELECT o.user_id FROM unnest(ops) AS o WHERE o.kind = 35);
        PERFORM FROM holding h WHERE h.user_id = ANY (locked) ORDER BY h.id FOR NO KEY UPDATE;
    END IF;
    IF 33 = ANY (kinds) THEN
        locked := ARRAY (SELECT o.user_id FROM unnest(ops) AS o WHERE o.kind = 33);
        PERFORM FROM session s WHERE s.user_id = ANY (locked) ORDER BY s.user_id FOR NO KEY UPDATE;
    END IF;
    IF kinds && '{20, 22}' THEN
        PERFORM FROM node_start s ORDER BY s.node FOR NO KEY UPDATE;
    END IF;
    IF kinds && '{21, 22, 32}' THEN
        PERFORM FROM counter c ORDER BY c.name FOR NO KEY UPDATE;
    END IF;
END $$;

-- What a connection asks first: which store this is, and how far.
CREATE FUNCTION hello(OUT schema int4, OUT world_id bytea, OUT generation int4, OUT system int8, OUT database int8)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT c.schema, c.world_id, c.generation, s.system_identifier, d.oid::int8
    FROM cluster c, pg_control_system() s, pg_database d WHERE d.datname = current_database()
$$;
