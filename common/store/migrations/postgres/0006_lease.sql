-- Which start of a node may serve regions, and how a region passes with its players from one node to another.
--
-- These requests are a call of their own, beside `read_batch` and `write_batch`: they are rare, their locks come before all
-- others, and a renewal waits for no batch. Kinds: 2 holder (where its service has a live lease, a second row with outcome 0 tells
-- it), 20 start of a node, 38 renew a lease, 39 take a region over, 40 give a region. Outcomes beyond those of batches: 10 the lease
-- has ended; which one is the newest of its node is told.

SET LOCAL search_path = regionmesh, pg_temp;

-- Its beat is written every second: new versions stay on the page.
CREATE TABLE node_lease (
    node        int4 PRIMARY KEY,
    incarnation int8 NOT NULL,
    beat        int8 NOT NULL,
    is_ended    bool NOT NULL
) WITH (fillfactor = 20);

-- Finds who is in a region without reading all who ever played. Saves change neither column and stay on their pages.
CREATE INDEX player_by_region ON player (region) WHERE owner IS NOT NULL;

-- Who serves a region, and on which lease: always one row, and a second one for the lease.
CREATE FUNCTION tell_holder(op int4, outcome int2, its_region int8) RETURNS SETOF answer
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT op, outcome, r.epoch, r.node::int8, r.incarnation, coalesce(s.start, 0), NULL::bytea, NULL::player, NULL::holding
        FROM (VALUES (its_region)) AS o (region) LEFT JOIN region r ON r.region = o.region LEFT JOIN node_start s ON s.node = r.node
    UNION ALL
    SELECT op, 0::int2, l.incarnation, l.beat, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
        FROM region r JOIN node_lease l ON l.node = r.node WHERE r.region = its_region AND NOT l.is_ended
$$;

CREATE FUNCTION read_holders(regions int8[]) RETURNS SETOF answer
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT a.* FROM unnest(regions) WITH ORDINALITY AS o (region, no), tell_holder(o.no::int4, 1::int2, o.region) AS a
$$;

-- Requests about leases, each in a subtransaction of its own. Leases are locked before regions and those before players, each in
-- ascending order. A taker's lease must not end meanwhile, but may be renewed: so whoever ends one locks it `FOR UPDATE`.
CREATE FUNCTION lease_batch(
    kinds int2[], nodes int4[], incarnations int8[], regions int8[], region_epochs int8[], takers int4[], taker_incarnations int8[],
    numbers int8[]
) RETURNS SETOF answer
LANGUAGE plpgsql VOLATILE
SET search_path = regionmesh, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
SET lock_timeout = '1500ms'
AS $$
DECLARE
    current int4;
    r       record;
    a       answer;
    there   int8[] := '{}';
    n       int8;
    m       int8;
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    SELECT c.generation INTO STRICT current FROM cluster c WHERE c.one = 1;
    FOR r IN SELECT w.node, max(w.strength) AS strength FROM (
            SELECT o.node, CASE o.kind WHEN 38 THEN 2 ELSE 3 END FROM unnest(kinds, nodes) AS o (kind, node) WHERE o.kind IN (20, 38, 39)
            UNION ALL SELECT o.taker, 1 FROM unnest(takers) AS o (taker) WHERE o.taker IS NOT NULL
        ) AS w (node, strength) GROUP BY w.node ORDER BY w.node
    LOOP
        CASE r.strength
        WHEN 1 THEN
            PERFORM FROM node_lease l WHERE l.node = r.node FOR KEY SHARE;
        WHEN 2 THEN
            PERFORM FROM node_lease l WHERE l.node = r.node FOR NO KEY UPDATE;
        ELSE
            PERFORM FROM node_lease l WHERE l.node = r.node FOR UPDATE;
        END CASE;
    END LOOP;
    IF kinds && '{39, 40}' THEN
        PERFORM FROM region s WHERE s.region = ANY (regions) ORDER BY s.region FOR UPDATE;
        -- Statements of their own, which see whoever came in until the region was locked. Nobody comes in after that. One for each
        -- region: a join would rather read the whole index.
        FOR r IN SELECT o.region, o.node FROM unnest(regions, nodes) AS o (region, node) WHERE o.region IS NOT NULL LOOP
            there := there || ARRAY (SELECT t.user_id FROM player t WHERE t.region = r.region AND t.owner = r.node);
        END LOOP;
        PERFORM FROM player p WHERE p.user_id = ANY (there) ORDER BY p.user_id FOR NO KEY UPDATE;
    END IF;

    FOR r IN SELECT o.no::int4 AS no, o.kind, o.node, o.incarnation, o.region, o.region_epoch, o.taker, o.taker_incarnation, o.number
        FROM unnest(kinds, nodes, incarnations, regions, region_epochs, takers, taker_incarnations, numbers)
        WITH ORDINALITY AS o (kind, node, incarnation, region, region_epoch, taker, taker_incarnation, number, no) ORDER BY o.no
    LOOP
        a := ROW (r.no, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        BEGIN
            CASE r.kind

            WHEN 20 THEN -- a process starts, and has the lease
                INSERT INTO node_start AS s (node, start) VALUES (r.node, 1)
                    ON CONFLICT (node) DO UPDATE SET start = s.start + 1 WHERE s.start < r.number RETURNING s.start INTO n;
                IF FOUND THEN
                    INSERT INTO node_lease (node, incarnation, beat, is_ended) VALUES (r.node, n, 0, false)
                        ON CONFLICT (node) DO UPDATE SET incarnation = excluded.incarnation, beat = 0, is_ended = false;
                    a.n1 := n;
                ELSE
                    a.outcome := 8;
                END IF;

            WHEN 38 THEN -- renew
                UPDATE node_lease l SET beat = l.beat + 1
                    WHERE l.node = r.node AND l.incarnation = r.incarnation AND NOT l.is_ended RETURNING l.beat INTO n;
                IF FOUND THEN
                    a.n1 := n;
                ELSE
                    a.outcome := 10;
                    a.n1 := (SELECT l.incarnation FROM node_lease l WHERE l.node = r.node);
                END IF;

            WHEN 39, 40 THEN -- take over, give
                SELECT l.incarnation INTO m FROM node_lease l WHERE l.node = r.taker AND NOT l.is_ended
                    AND (r.kind = 40 OR l.incarnation = r.taker_incarnation);
                UPDATE region s SET node = r.taker, incarnation = m, epoch = epoch_after(s.epoch, current, 1)
                    WHERE m IS NOT NULL AND s.region = r.region AND s.node = r.node AND s.epoch = r.region_epoch
                    AND (r.kind = 40 OR s.incarnation = r.incarnation AND NOT EXISTS (SELECT FROM node_lease l WHERE l.node = s.node
                        AND l.incarnation = s.incarnation AND NOT l.is_ended AND l.beat IS DISTINCT FROM r.number))
                    RETURNING s.epoch INTO n;
                IF FOUND THEN
                    UPDATE node_lease l SET is_ended = true
                        WHERE r.kind = 39 AND l.node = r.node AND l.incarnation = r.incarnation;
                    UPDATE player t SET owner = r.taker, owner_epoch = epoch_after(t.owner_epoch, current, 1), region_epoch = n, attempt = 0
                        WHERE t.region = r.region AND t.owner = r.node;
                    a.n1 := n;
                ELSIF m IS NULL AND (r.kind = 39 OR serves(r.node, r.region, r.region_epoch)) THEN
                    a.outcome := 10;
                    a.n1 := (SELECT l.incarnation FROM node_lease l WHERE l.node = r.taker);
                ELSE
                    RETURN QUERY SELECT t.* FROM tell_holder(r.no, 2::int2, r.region) AS t;
                    CONTINUE;
                END IF;

            END CASE;
        EXCEPTION
            WHEN SQLSTATE 'RM007' THEN
                a := ROW (r.no, 7, SQLERRM::int8, NULL, NULL, NULL, NULL, NULL, NULL);
            WHEN integrity_constraint_violation OR data_exception OR data_corrupted OR index_corrupted THEN
                a := ROW (r.no, 9, NULL, NULL, NULL, NULL, convert_to(SQLERRM, 'UTF8'), NULL, NULL);
        END;
        RETURN NEXT a;
    END LOOP;
END $$;

-- As before, and nobody has a lease from an older generation: every process begins anew.
CREATE OR REPLACE FUNCTION begin_anew(above int4) RETURNS int4
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
    DELETE FROM node_lease;
    RETURN (SELECT c.generation FROM cluster c);
END $$;
