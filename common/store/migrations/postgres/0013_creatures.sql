-- Creatures that outlive the process of their region. A request about them is a call of its own. Oldest program that may still work
-- with this: the one before it, which leaves them where they are.
--
-- Changes: 1 bear, 2 save, 3 pass, 4 end. Outcomes: 0 one that was to pass and stays, 1 applied, 3 does not serve, 4 older.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE TABLE creature (
    id          int8  PRIMARY KEY,
    region      int8  NOT NULL,
    epoch       int8  NOT NULL,
    is_arriving bool  NOT NULL,
    body        bytea NOT NULL CHECK (length(body) <= 2048)
) WITH (fillfactor = 60);
CREATE INDEX creature_by_region ON creature (region, id);
CREATE INDEX creature_arriving ON creature (region, id) WHERE is_arriving;

-- How far the creatures of a region were written by its service.
CREATE TABLE creature_write (
    region       int8 PRIMARY KEY,
    region_epoch int8 NOT NULL,
    version      int8 NOT NULL
) WITH (fillfactor = 20);

CREATE FUNCTION read_creatures(its_region int8, only_arriving bool, above int8, most int4) RETURNS SETOF answer
LANGUAGE plpgsql STABLE
SET search_path = regionmesh, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    IF only_arriving THEN
        RETURN QUERY SELECT 1, 1::int2, c.id, c.epoch, 1::int8, NULL::int8, c.body, NULL::player, NULL::holding
            FROM creature c WHERE c.region = its_region AND c.is_arriving AND c.id > above ORDER BY c.id LIMIT most;
    ELSE
        RETURN QUERY SELECT 1, 1::int2, c.id, c.epoch, c.is_arriving::int4::int8, NULL::int8, c.body, NULL::player, NULL::holding
            FROM creature c WHERE c.region = its_region AND c.id > above ORDER BY c.id LIMIT most;
    END IF;
END $$;

-- Whoever serves a region changes creatures that are there, each one once, all in one step. Locks are in the order of batches: regions,
-- how far they are written, then the creatures.
CREATE FUNCTION write_creatures(
    is_soft bool, its_node int4, its_region int8, its_epoch int8, its_version int8, kinds int2[], creatures int8[], epochs int8[],
    to_nodes int4[], to_regions int8[], to_epochs int8[], bodies bytea[]
) RETURNS SETOF answer
LANGUAGE plpgsql VOLATILE
SET search_path = regionmesh, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
SET lock_timeout = '3s'
AS $$
BEGIN
    PERFORM speak_for(its_node);
    -- Need not be on disk before the next one that has to be.
    IF is_soft THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    PERFORM FROM region r WHERE r.region = ANY (to_regions || its_region) ORDER BY r.region FOR SHARE;
    IF NOT serves(its_node, its_region, its_epoch) THEN
        RETURN NEXT ROW (1, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::answer;
        RETURN;
    END IF;
    INSERT INTO creature_write AS w (region, region_epoch, version) VALUES (its_region, its_epoch, its_version)
        ON CONFLICT (region) DO UPDATE SET region_epoch = excluded.region_epoch, version = excluded.version
        WHERE (w.region_epoch, w.version) < (excluded.region_epoch, excluded.version);
    IF FOUND THEN
        PERFORM FROM creature c WHERE c.id = ANY (creatures) ORDER BY c.id FOR UPDATE;
        DELETE FROM creature c USING unnest(kinds, creatures, epochs) AS o (kind, id, epoch)
            WHERE o.kind = 4 AND c.id = o.id AND c.region = its_region AND c.epoch = o.epoch;
        INSERT INTO creature (id, region, epoch, is_arriving, body)
            SELECT o.id, its_region, 1, false, o.body FROM unnest(kinds, creatures, bodies) AS o (kind, id, body)
            WHERE o.kind = 1 AND o.id >> 54 & 1023 = its_node ORDER BY o.id ON CONFLICT (id) DO NOTHING;
        UPDATE creature c SET is_arriving = false, body = o.body
            FROM unnest(kinds, creatures, epochs, bodies) AS o (kind, id, epoch, body)
            WHERE o.kind = 2 AND c.id = o.id AND c.region = its_region AND c.epoch = o.epoch;
        UPDATE creature c SET region = o.to_region, epoch = c.epoch + 1, is_arriving = true, body = o.body
            FROM unnest(kinds, creatures, epochs, to_nodes, to_regions, to_epochs, bodies)
                AS o (kind, id, epoch, to_node, to_region, to_epoch, body)
            WHERE o.kind = 3 AND c.id = o.id AND c.region = its_region AND c.epoch = o.epoch
            AND EXISTS (SELECT FROM region r WHERE r.region = o.to_region AND r.node = o.to_node AND r.epoch = o.to_epoch);
    ELSIF NOT EXISTS (SELECT FROM creature_write w WHERE w.region = its_region AND w.region_epoch = its_epoch AND w.version = its_version)
    THEN
        RETURN NEXT ROW (1, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::answer;
        RETURN;
    END IF;
    RETURN NEXT ROW (1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::answer;
    RETURN QUERY SELECT 1, 0::int2, c.id, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
        FROM unnest(kinds, creatures, epochs) WITH ORDINALITY AS o (kind, id, epoch, no) JOIN creature c ON c.id = o.id
        WHERE o.kind = 3 AND c.region = its_region AND c.epoch = o.epoch ORDER BY o.no;
END $$;

-- A region in which a creature is is in use.
SELECT amend('read_batch', 'UNION SELECT h.region FROM holding h WHERE h.region IS NOT NULL', ')',
    'UNION SELECT h.region FROM holding h WHERE h.region IS NOT NULL UNION SELECT c.region FROM creature c)');

-- What people are told of a store.
DO $$
DECLARE
    body text := pg_get_functiondef('report'::regproc);
    then_counts text := 'INTO held, on_ground, in_trades FROM holding h;';
BEGIN
    ASSERT position('OUT in_trades bigint' IN body) > 0 AND position(then_counts IN body) > 0, 'there is no such place';
    body := replace(body, 'OUT in_trades bigint', 'OUT in_trades bigint, OUT creatures bigint');
    body := replace(body, then_counts, then_counts || ' SELECT count(*) INTO creatures FROM creature c;');
    DROP FUNCTION report();
    EXECUTE body;
END $$;
