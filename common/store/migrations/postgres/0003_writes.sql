-- The other half of the batches: what changes something.

SET LOCAL search_path = regionmesh, pg_temp;

-- Requests that change something, each in a subtransaction of its own.
CREATE FUNCTION write_batch(
    is_soft bool, kinds int2[], users int8[], nodes int4[], targets int4[], regions int8[], region_epochs int8[], owner_epochs int8[],
    attempts int8[], versions int8[], entities int8[], home_cells int8[], session_generations int8[], attach_nos int8[], proxies int4[],
    last_inputs int8[], last_commands int8[], chain_hashes bytea[], states bytea[], numbers int8[], xs float8[], ys float8[],
    parts int4[], counts int4[],
    c_kinds int2[], c_holdings int8[], c_types int8[], c_holders int8[], c_regions int8[], c_xs float8[], c_ys float8[]
) RETURNS SETOF answer
LANGUAGE plpgsql VOLATILE
SET search_path = regionmesh, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
SET lock_timeout = '3s'
AS $$
DECLARE
    at_ms   int8 := now_ms();
    current int4;
    ops     op[];
    grp     op[];
    r       op;
    a       answer;
    p       player;
    h       holding;
    n       int8;
    m       int8;
    serving bool;
    fallen  int4;
BEGIN
    -- Need not be on disk before the next batch that has to be.
    IF is_soft THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF 22 = ANY (kinds) THEN
        LOCK TABLE cluster IN ACCESS EXCLUSIVE MODE;
    ELSE
        LOCK TABLE cluster IN ACCESS SHARE MODE;
    END IF;
    SELECT c.generation INTO STRICT current FROM cluster c WHERE c.one = 1;
    ops := ARRAY (SELECT ROW (o.no::int4, o.kind, o.user_id, o.node, o.target, o.region, o.region_epoch, o.owner_epoch, o.attempt, o.version,
            o.entity, o.home_cell, o.session_generation, o.attach_no, o.proxy, o.last_input, o.last_command, o.chain_hash, o.state,
            o.number, o.x, o.y, o.part, o.count)::op
        FROM unnest(kinds, users, nodes, targets, regions, region_epochs, owner_epochs, attempts, versions, entities, home_cells,
            session_generations, attach_nos, proxies, last_inputs, last_commands, chain_hashes, states, numbers, xs, ys, parts, counts)
        WITH ORDINALITY AS o (kind, user_id, node, target, region, region_epoch, owner_epoch, attempt, version, entity, home_cell,
            session_generation, attach_no, proxy, last_input, last_command, chain_hash, state, number, x, y, part, count, no)
        ORDER BY o.no);
    PERFORM lock_rows(ops, kinds, c_kinds, c_holdings, c_holders);

    FOREACH r IN ARRAY ops LOOP
        a := ROW (r.no, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        BEGIN
            CASE r.kind

            WHEN 28, 29 THEN -- save, commit
                UPDATE player t SET home_cell = r.home_cell, session_generation = r.session_generation, attach_no = r.attach_no,
                    proxy = r.proxy, last_input = r.last_input, last_command = r.last_command, chain_hash = r.chain_hash,
                    state = r.state, version = r.version, written_ms = at_ms
                    WHERE t.user_id = r.user_id AND t.owner = r.node AND t.owner_epoch = r.owner_epoch AND t.version < r.version;
                IF NOT FOUND THEN
                    a.outcome := 2;
                    SELECT CASE WHEN r.kind = 29 AND t.version = r.version AND t.last_command = r.last_command
                            AND t.chain_hash = r.chain_hash THEN 1 ELSE 4 END INTO n
                        FROM player t WHERE t.user_id = r.user_id AND t.owner = r.node AND t.owner_epoch = r.owner_epoch;
                    IF FOUND THEN
                        a.outcome := n;
                    END IF;
                ELSIF r.kind = 29 THEN
                    FOR k IN r.part..r.part + r.count - 1 LOOP
                        CASE c_kinds[k]
                        WHEN 1 THEN -- take
                            UPDATE holding t SET user_id = r.user_id, region = NULL, x = NULL, y = NULL
                                WHERE t.id = c_holdings[k] AND t.region = c_regions[k];
                        WHEN 2 THEN -- give
                            UPDATE holding t SET user_id = c_holders[k] WHERE t.id = c_holdings[k] AND t.user_id = r.user_id
                                AND EXISTS (SELECT FROM player o WHERE o.user_id = c_holders[k]);
                            IF NOT FOUND AND EXISTS (SELECT FROM holding t WHERE t.id = c_holdings[k] AND t.user_id = r.user_id) THEN
                                RAISE EXCEPTION USING ERRCODE = 'RM006', MESSAGE = c_holdings[k]::text;
                            END IF;
                        WHEN 3 THEN -- drop
                            UPDATE holding t SET user_id = NULL, region = c_regions[k], x = c_xs[k], y = c_ys[k]
                                WHERE t.id = c_holdings[k] AND t.user_id = r.user_id;
                        END CASE;
                        IF NOT FOUND THEN
                            RAISE EXCEPTION USING ERRCODE = 'RM005', MESSAGE = c_holdings[k]::text;
                        END IF;
                    END LOOP;
                END IF;

            WHEN 25, 27 THEN -- activate, reclaim
                n := epoch_after(r.owner_epoch, current, CASE r.kind WHEN 25 THEN 1 ELSE 2 END);
                serving := serves(r.target, r.region, r.region_epoch);
                IF r.kind = 25 THEN
                    UPDATE player t SET owner = r.target, region = r.region, region_epoch = r.region_epoch, owner_epoch = n, attempt = 0,
                        last_input = CASE WHEN t.session_generation < r.session_generation THEN 0 ELSE t.last_input END,
                        last_command = CASE WHEN t.session_generation < r.session_generation THEN 0 ELSE t.last_command END,
                        session_generation = r.session_generation, attach_no = r.attach_no, proxy = r.proxy, written_ms = at_ms
                        WHERE serving AND t.user_id = r.user_id AND t.owner_epoch = r.owner_epoch
                        AND (t.region = r.region OR t.owner IS NULL)
                        AND (t.session_generation, t.attach_no) <= (r.session_generation, r.attach_no)
                        RETURNING t.* INTO p;
                ELSE
                    UPDATE player t SET owner = r.target, region = r.region, region_epoch = r.region_epoch, owner_epoch = n, attempt = 0,
                        written_ms = at_ms
                        WHERE serving AND t.user_id = r.user_id AND t.owner_epoch = r.owner_epoch
                        AND t.owner = r.target AND t.region = r.region
                        RETURNING t.* INTO p;
                END IF;
                IF NOT FOUND THEN
                    a.outcome := 2;
                    SELECT t.* INTO p FROM player t WHERE t.user_id = r.user_id;
                END IF;
                IF FOUND THEN
                    a.p := p;
                END IF;

            WHEN 26 THEN -- pass: every one of the group, or none
                CONTINUE WHEN r.part > 1;
                grp := ops[r.no:r.no + r.count - 1];
                PERFORM epoch_after(o.owner_epoch, current, 1) FROM unnest(grp) AS o;
                serving := serves(r.target, r.region, r.region_epoch);
                SELECT count(DISTINCT t.user_id) INTO n FROM unnest(grp) AS o JOIN player t ON t.user_id = o.user_id
                    WHERE t.owner = o.node AND t.owner_epoch = o.owner_epoch AND t.version <= o.version
                    AND o.owner_epoch >> 48 = current;
                IF serving AND n = r.count THEN
                    UPDATE player t SET home_cell = o.home_cell, session_generation = o.session_generation, attach_no = o.attach_no,
                        proxy = o.proxy, last_input = o.last_input, last_command = o.last_command, chain_hash = o.chain_hash,
                        state = o.state, version = o.version, written_ms = at_ms, owner = r.target, region = r.region,
                        region_epoch = r.region_epoch, owner_epoch = epoch_after(o.owner_epoch, current, 1), attempt = r.attempt
                        FROM unnest(grp) AS o
                        WHERE t.user_id = o.user_id AND t.owner = o.node AND t.owner_epoch = o.owner_epoch;
                    GET DIAGNOSTICS m = ROW_COUNT;
                    IF m <> n THEN
                        RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'a passenger was changed behind its lock';
                    END IF;
                ELSE
                    a.outcome := 2;
                    FOR p IN SELECT t.* FROM unnest(grp) AS o JOIN player t ON t.user_id = o.user_id ORDER BY o.no LOOP
                        a.p := p;
                        RETURN NEXT a;
                    END LOOP;
                    a.p := NULL;
                END IF;

            WHEN 30 THEN -- release
                UPDATE player t SET home_cell = r.home_cell, session_generation = r.session_generation, attach_no = r.attach_no,
                    proxy = r.proxy, last_input = r.last_input, last_command = r.last_command, chain_hash = r.chain_hash,
                    state = r.state, version = r.version, written_ms = at_ms, owner = NULL
                    WHERE t.user_id = r.user_id AND t.owner = r.node AND t.owner_epoch = r.owner_epoch AND t.version <= r.version;
                IF NOT FOUND THEN
                    a.outcome := 2;
                    SELECT t.* INTO p FROM player t WHERE t.user_id = r.user_id;
                    IF FOUND THEN
                        a.p := p;
                    END IF;
                END IF;

            WHEN 31 THEN -- rebind
                UPDATE player t SET home_cell = r.home_cell, session_generation = r.session_generation, attach_no = r.attach_no,
                    proxy = r.proxy, last_input = r.last_input, last_command = r.last_command, chain_hash = r.chain_hash,
                    state = r.state, version = r.version, written_ms = at_ms
                    WHERE t.user_id = r.user_id AND t.owner = r.node AND t.owner_epoch = r.owner_epoch AND t.version < r.version
                    AND (t.session_generation, t.attach_no) <= (r.session_generation, r.attach_no);
                IF NOT FOUND THEN
                    a.outcome := 2;
                    SELECT t.* INTO p FROM player t WHERE t.user_id = r.user_id;
                    IF FOUND THEN
                        a.p := p;
                    END IF;
                END IF;

            WHEN 24 THEN -- insert
                p := NULL;
                IF serves(r.target, r.region, r.region_epoch) THEN
                    INSERT INTO player AS t (user_id, owner, region, region_epoch, owner_epoch, attempt, version, entity, home_cell,
                        session_generation, attach_no, proxy, last_input, last_command, chain_hash, state, written_ms)
                        VALUES (r.user_id, r.target, r.region, r.region_epoch, current::int8 << 48 | 1, r.attempt, r.version, r.entity,
                        r.home_cell, r.session_generation, r.attach_no, r.proxy, r.last_input, r.last_command, r.chain_hash, r.state, at_ms)
                        ON CONFLICT (user_id) DO NOTHING RETURNING t.* INTO p;
                END IF;
                IF p.user_id IS NULL THEN
                    a.outcome := 2;
                    SELECT t.* INTO p FROM player t WHERE t.user_id = r.user_id;
                END IF;
                IF p.user_id IS NOT NULL THEN
                    a.p := p;
                ELSE
                    a.outcome := 3;
                    a.n1 := (SELECT s.epoch FROM region s WHERE s.region = r.region);
                END IF;

            WHEN 23 THEN -- serve
                SELECT s.epoch, s.node INTO n, m FROM region s WHERE s.region = r.region;
                IF n IS NOT DISTINCT FROM r.number THEN
                    a.n1 := epoch_after(coalesce(n, 0), current, 1);
                    INSERT INTO region AS s (region, node, incarnation, epoch)
                        VALUES (r.region, r.target, coalesce((SELECT t.start FROM node_start t WHERE t.node = r.target), 0), a.n1)
                        ON CONFLICT (region) DO UPDATE SET node = excluded.node, incarnation = excluded.incarnation, epoch = excluded.epoch
                        WHERE s.epoch = r.number;
                    IF NOT FOUND THEN
                        SELECT s.epoch, s.node INTO n, m FROM region s WHERE s.region = r.region;
                        a.outcome := 2;
                    END IF;
                ELSE
                    a.outcome := 2;
                END IF;
                IF a.outcome = 2 THEN
                    a.n1 := n;
                    a.n2 := m;
                END IF;

            WHEN 20 THEN -- a process starts
                INSERT INTO node_start AS s (node, start) VALUES (r.node, 1)
                    ON CONFLICT (node) DO UPDATE SET start = s.start + 1 WHERE s.start < r.number RETURNING s.start INTO n;
                IF FOUND THEN
                    a.n1 := n;
                ELSE
                    a.outcome := 8;
                END IF;

            WHEN 21 THEN -- probe
                UPDATE counter c SET value = c.value + 1 WHERE c.name = 'probe';

            WHEN 22 THEN -- a generation begins
                IF current < 32767 THEN
                    UPDATE cluster c SET generation = c.generation + 1 RETURNING c.generation INTO current;
                    UPDATE node_start s SET start = s.start + 4096;
                    UPDATE counter c SET value = c.value + 16777216 WHERE c.name = 'guest';
                    a.n1 := current;
                ELSE
                    a.outcome := 8;
                END IF;

            WHEN 32 THEN -- next guest
                UPDATE counter c SET value = c.value + 1 WHERE c.name = 'guest' RETURNING c.value - 1 INTO STRICT n;
                a.n1 := n;

            WHEN 33 THEN -- a login
                INSERT INTO session AS s (user_id, generation, raised_ms) VALUES (r.user_id, current::int8 << 48 | 1, at_ms)
                    ON CONFLICT (user_id) DO UPDATE SET generation = greatest(s.generation + 1, excluded.generation),
                    raised_ms = excluded.raised_ms RETURNING s.generation INTO STRICT n;
                a.n1 := n;

            WHEN 34 THEN -- seed, once
                INSERT INTO region_state (region, seed) VALUES (r.region, r.number) ON CONFLICT (region) DO NOTHING;
                IF FOUND THEN
                    INSERT INTO holding (id, kind, user_id, region, x, y)
                        SELECT c.id, c.type, c.holder, c.region, c.x, c.y
                        FROM unnest(c_holdings[r.part:r.part + r.count - 1], c_types[r.part:r.part + r.count - 1],
                            c_holders[r.part:r.part + r.count - 1], c_regions[r.part:r.part + r.count - 1],
                            c_xs[r.part:r.part + r.count - 1], c_ys[r.part:r.part + r.count - 1]) AS c (id, type, holder, region, x, y)
                        ON CONFLICT (id) DO NOTHING;
                END IF;
                SELECT s.seed INTO STRICT n FROM region_state s WHERE s.region = r.region;
                a.n1 := n;

            WHEN 35 THEN -- forget guests: first their ground, then each
                IF r.user_id IS NULL THEN
                    serving := serves(r.target, r.region, r.region_epoch);
                    fallen := 0;
                    IF NOT serving THEN
                        a.outcome := 3;
                        a.n1 := (SELECT s.epoch FROM region s WHERE s.region = r.region);
                    END IF;
                ELSE
                    PERFORM FROM player t WHERE serving AND fallen < 256 AND t.user_id = r.user_id AND t.user_id >= 1099511627776
                        AND t.owner_epoch = r.owner_epoch AND t.written_ms <= at_ms - r.number AND (t.owner IS NULL
                            OR NOT EXISTS (SELECT FROM region s WHERE s.region = t.region AND s.epoch <= t.region_epoch));
                    CONTINUE WHEN NOT FOUND;
                    FOR h IN UPDATE holding t SET user_id = NULL, region = r.region, x = r.x, y = r.y WHERE t.id IN (
                        SELECT o.id FROM holding o WHERE o.user_id = r.user_id ORDER BY o.id LIMIT 256 - fallen) RETURNING t.*
                    LOOP
                        fallen := fallen + 1;
                        a.h := h;
                        RETURN NEXT a;
                    END LOOP;
                    CONTINUE WHEN EXISTS (SELECT FROM holding o WHERE o.user_id = r.user_id);
                    DELETE FROM player t WHERE t.user_id = r.user_id;
                    DELETE FROM session s WHERE s.user_id = r.user_id;
                    a.h := NULL;
                    a.outcome := 0;
                END IF;

            WHEN 36 THEN -- forget sessions of guests that never came
                a.n2 := (SELECT s.user_id FROM session s WHERE s.user_id > guests_after(r.user_id) ORDER BY s.user_id OFFSET 4095 LIMIT 1);
                DELETE FROM session s WHERE s.user_id > guests_after(r.user_id) AND s.user_id <= coalesce(a.n2, 9223372036854775807)
                    AND s.raised_ms <= at_ms - r.number AND NOT EXISTS (SELECT FROM player t WHERE t.user_id = s.user_id);
                GET DIAGNOSTICS n = ROW_COUNT;
                a.n1 := n;

            WHEN 37 THEN -- close a region that is no more
                IF serves(r.target, r.region, r.region_epoch) THEN
                    UPDATE player t SET owner = NULL WHERE t.region = r.region AND t.owner IS NOT NULL;
                    GET DIAGNOSTICS n = ROW_COUNT;
                    UPDATE holding t SET region = c.region
                        FROM unnest(c_holdings[r.part:r.part + r.count - 1], c_regions[r.part:r.part + r.count - 1]) AS c (id, region)
                        WHERE t.id = c.id AND t.region = r.region;
                    GET DIAGNOSTICS m = ROW_COUNT;
                    a.n1 := n;
                    a.n2 := m;
                ELSE
                    a.outcome := 3;
                    a.n1 := (SELECT s.epoch FROM region s WHERE s.region = r.region);
                END IF;

            END CASE;
        EXCEPTION
            WHEN SQLSTATE 'RM005' OR SQLSTATE 'RM006' OR SQLSTATE 'RM007' THEN
                a := ROW (r.no, right(SQLSTATE, 1)::int2, SQLERRM::int8, NULL, NULL, NULL, NULL, NULL, NULL);
            WHEN foreign_key_violation THEN
                a := ROW (r.no, 6, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
            WHEN integrity_constraint_violation OR data_exception OR data_corrupted OR index_corrupted THEN
                a := ROW (r.no, 9, NULL, NULL, NULL, NULL, convert_to(SQLERRM, 'UTF8'), NULL, NULL);
        END;
        RETURN NEXT a;
    END LOOP;
END $$;
