-- Holdings that rules make and destroy, with bytes of the game's own, and that stand in trades. Oldest program that may still work
-- with this: the one before it; what that asks is answered as before.
--
-- Kinds of requests since: 14 counts with what was made and destroyed, 41 ground of a region, 42 cancel overdue trades. Outcomes
-- since: 11 the trade is not open. Changes of holdings: 1 take, 2 give, 3 drop, 4 seed, 5 pass, 6 mint, 7 burn, 8 offer, then 11 for
-- each that is given and 12 for each that is wanted, 9 accept, 10 cancel.

SET LOCAL search_path = regionmesh, pg_temp;

-- How far the ground of a region was written by its service.
ALTER TABLE region_state ALTER COLUMN seed DROP NOT NULL,
    ADD COLUMN region_epoch int8 NOT NULL DEFAULT 0,
    ADD COLUMN version int8 NOT NULL DEFAULT 0;

-- Open ones; what is offered in them is in the table of holdings.
CREATE TABLE trade (
    id       int8   PRIMARY KEY,
    offerer  int8   NOT NULL REFERENCES player,
    receiver int8   NOT NULL,
    until_ms int8   NOT NULL,
    wants    int8[] NOT NULL
);
CREATE INDEX trade_by_offerer ON trade (offerer);

ALTER TABLE holding ADD COLUMN trade int8 REFERENCES trade,
    ADD COLUMN payload bytea NOT NULL DEFAULT '' CHECK (length(payload) <= 256),
    DROP CONSTRAINT holding_check,
    ADD CONSTRAINT holding_place CHECK (num_nonnulls(user_id, region, trade) = 1);
CREATE INDEX holding_by_trade ON holding (trade) WHERE trade IS NOT NULL;

-- How many of each kind were made and destroyed by each node; node 0 made those with which the world began.
CREATE TABLE tally (
    node   int4 NOT NULL,
    kind   int8 NOT NULL,
    minted int8 NOT NULL,
    burned int8 NOT NULL,
    PRIMARY KEY (node, kind)
) WITH (fillfactor = 60);
INSERT INTO tally (node, kind, minted, burned) SELECT 0, h.kind, count(*), 0 FROM holding h GROUP BY h.kind;

-- Where all holdings are and how many were ever made and destroyed, by kind.
CREATE FUNCTION count_holdings() RETURNS TABLE (kind int8, held int8, on_ground int8, in_trades int8, seeded int8, minted int8, burned int8)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT a.kind, sum(a.held)::int8, sum(a.on_ground)::int8, sum(a.in_trades)::int8, sum(a.seeded)::int8, sum(a.minted)::int8, sum(a.burned)::int8
    FROM (SELECT h.kind, count(h.user_id) AS held, count(h.region) AS on_ground, count(h.trade) AS in_trades, 0 AS seeded, 0 AS minted, 0 AS burned
            FROM holding h GROUP BY h.kind
        UNION ALL SELECT t.kind, 0, 0, 0, CASE t.node WHEN 0 THEN t.minted ELSE 0 END, CASE t.node WHEN 0 THEN 0 ELSE t.minted END, t.burned
            FROM tally t) AS a
    GROUP BY a.kind HAVING sum(a.held + a.on_ground + a.in_trades + a.seeded + a.minted + a.burned) > 0 ORDER BY a.kind
$$;

-- What a user has offered in trades that ended by then is the user's again; how many there were.
CREATE FUNCTION cancel_trades(its_user int8, by_ms int8) RETURNS int8
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    n int8;
BEGIN
    UPDATE holding h SET user_id = its_user, trade = NULL FROM trade t
        WHERE t.offerer = its_user AND t.until_ms <= by_ms AND h.trade = t.id;
    DELETE FROM trade t WHERE t.offerer = its_user AND t.until_ms <= by_ms;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- Makes the changes of one commit, or of the ground of a region when there is no user; refuses by an exception.
CREATE FUNCTION change_holdings(its_user int8, its_node int4, its_region int8, at_ms int8, first int4, last int4, c_kinds int2[], c_holdings int8[],
    c_types int8[], c_holders int8[], c_regions int8[], c_xs float8[], c_ys float8[], c_payloads bytea[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    opened int8;
    n      int8;
    wanted int8[];
BEGIN
    FOR k IN first..last LOOP
        n := c_holdings[k];
        CASE c_kinds[k]
        WHEN 1 THEN -- take
            UPDATE holding t SET user_id = its_user, region = NULL, x = NULL, y = NULL WHERE t.id = n AND t.region = c_regions[k];
        WHEN 2 THEN -- give
            UPDATE holding t SET user_id = c_holders[k] WHERE t.id = n AND t.user_id = its_user
                AND EXISTS (SELECT FROM player o WHERE o.user_id = c_holders[k]);
            IF NOT FOUND AND EXISTS (SELECT FROM holding t WHERE t.id = n AND t.user_id = its_user) THEN
                RAISE EXCEPTION USING ERRCODE = 'RM006', MESSAGE = n::text;
            END IF;
        WHEN 3 THEN -- drop: otherwise the one who serves has read its ground already
            PERFORM FROM player p JOIN region r ON r.region = p.region AND r.epoch = p.region_epoch
                WHERE p.user_id = its_user AND p.region = c_regions[k] AND r.node = its_node;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'RM002', MESSAGE = n::text;
            END IF;
            UPDATE holding t SET user_id = NULL, region = c_regions[k], x = c_xs[k], y = c_ys[k] WHERE t.id = n AND t.user_id = its_user;
        WHEN 6 THEN -- mint
            INSERT INTO holding (id, kind, user_id, region, x, y, payload)
                SELECT n, c_types[k], its_user, its_region, c_xs[k], c_ys[k], c_payloads[k] WHERE n >> 52 = 1024 + its_node
                ON CONFLICT (id) DO NOTHING;
            IF FOUND THEN
                UPDATE tally t SET minted = t.minted + 1 WHERE t.node = its_node AND t.kind = c_types[k];
            END IF;
        WHEN 7 THEN -- burn
            WITH gone AS (DELETE FROM holding t WHERE t.id = n AND (t.user_id = its_user OR t.region = its_region) RETURNING t.kind)
            UPDATE tally t SET burned = t.burned + 1 FROM gone g WHERE t.node = its_node AND t.kind = g.kind;
        WHEN 8 THEN -- offer
            opened := n;
            INSERT INTO trade (id, offerer, receiver, until_ms, wants) SELECT n, its_user, c_holders[k], at_ms + c_types[k], '{}'
                WHERE n >> 52 = 1024 + its_node AND (SELECT count(*) FROM trade t WHERE t.offerer = its_user) < 8 ON CONFLICT (id) DO NOTHING;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'RM011', MESSAGE = n::text;
            END IF;
            PERFORM FROM player p WHERE p.user_id = c_holders[k];
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'RM006', MESSAGE = n::text;
            END IF;
        WHEN 11 THEN -- given in the offer before
            UPDATE holding t SET user_id = NULL, trade = opened WHERE t.id = n AND t.user_id = its_user;
        WHEN 12 THEN -- wanted in the offer before
            UPDATE trade t SET wants = t.wants || n WHERE t.id = opened;
        WHEN 9 THEN -- accept
            SELECT t.wants INTO wanted FROM trade t
                WHERE t.id = n AND t.offerer = c_holders[k] AND t.receiver = its_user AND t.until_ms > at_ms;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'RM011', MESSAGE = n::text;
            END IF;
            FOREACH opened IN ARRAY wanted LOOP
                UPDATE holding t SET user_id = c_holders[k] WHERE t.id = opened AND t.user_id = its_user;
                IF NOT FOUND THEN
                    RAISE EXCEPTION USING ERRCODE = 'RM005', MESSAGE = opened::text;
                END IF;
            END LOOP;
            UPDATE holding t SET user_id = its_user, trade = NULL WHERE t.trade = n;
            DELETE FROM trade t WHERE t.id = n;
        WHEN 10 THEN -- cancel
            PERFORM FROM trade t WHERE t.id = n AND t.offerer = c_holders[k] AND its_user IN (t.offerer, t.receiver);
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'RM011', MESSAGE = n::text;
            END IF;
            UPDATE holding t SET user_id = c_holders[k], trade = NULL WHERE t.trade = n;
            DELETE FROM trade t WHERE t.id = n;
        END CASE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'RM005', MESSAGE = n::text;
        END IF;
    END LOOP;
END $$;

-- As before; of trades, tallies and the state of regions as well. The order: regions, their state, players, trades, holdings, tallies,
-- the rest.
DROP FUNCTION lock_rows(op[], int2[], int2[], int8[], int8[]);
CREATE FUNCTION lock_rows(ops op[], kinds int2[], c_kinds int2[], c_holdings int8[], c_types int8[], c_holders int8[], c_regions int8[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = regionmesh, pg_temp
AS $$
DECLARE
    area    record;
    locked  int8[];
    closing int8[] := '{}';
BEGIN
    IF kinds && '{23, 24, 25, 26, 27, 35, 37, 41}' OR c_kinds && '{3}' THEN
        FOR area IN SELECT a.region, bool_or(a.is_taken) AS is_taken FROM (
                SELECT o.region, o.kind = 23 FROM unnest(ops) AS o WHERE o.kind IN (23, 24, 25, 26, 27, 35, 37, 41)
                UNION ALL SELECT c.region, false FROM unnest(c_kinds, c_regions) AS c (kind, region) WHERE c.kind = 3
            ) AS a (region, is_taken) GROUP BY a.region ORDER BY a.region
        LOOP
            IF area.is_taken THEN
                PERFORM FROM region r WHERE r.region = area.region FOR UPDATE;
            ELSE
                PERFORM FROM region r WHERE r.region = area.region FOR SHARE;
            END IF;
        END LOOP;
    END IF;
    IF 41 = ANY (kinds) THEN
        locked := ARRAY (SELECT o.region FROM unnest(ops) AS o WHERE o.kind = 41);
        PERFORM FROM region_state s WHERE s.region = ANY (locked) ORDER BY s.region FOR NO KEY UPDATE;
    END IF;
    IF kinds && '{24, 25, 26, 27, 28, 29, 30, 31, 35, 37, 42}' THEN
        locked := ARRAY (SELECT o.user_id FROM unnest(ops) AS o WHERE (o.kind BETWEEN 24 AND 35 OR o.kind = 42) AND o.user_id IS NOT NULL
            UNION SELECT c.holder FROM unnest(c_kinds, c_holders) AS c (kind, holder) WHERE c.kind IN (2, 8, 9, 10));
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
    IF kinds && '{25, 35, 42}' OR c_kinds && '{9, 10}' THEN
        locked := ARRAY (SELECT o.user_id FROM unnest(ops) AS o WHERE o.kind IN (25, 35, 42) AND o.user_id IS NOT NULL);
        closing := ARRAY (SELECT t.id FROM trade t WHERE t.offerer = ANY (locked)
            UNION SELECT c.trade FROM unnest(c_kinds, c_holdings) AS c (kind, trade) WHERE c.kind IN (9, 10));
        PERFORM FROM trade t WHERE t.id = ANY (closing) ORDER BY t.id FOR UPDATE;
    END IF;
    IF c_kinds && '{1, 2, 3, 5, 7, 11}' OR cardinality(closing) > 0 THEN
        locked := ARRAY (SELECT c.holding FROM unnest(c_kinds, c_holdings) AS c (kind, holding) WHERE c.kind IN (1, 2, 3, 5, 7, 11)
            UNION SELECT h.id FROM holding h WHERE h.trade = ANY (closing)
            UNION SELECT unnest(t.wants) FROM trade t WHERE t.id = ANY (closing));
        PERFORM FROM holding h WHERE h.id = ANY (locked) ORDER BY h.id FOR NO KEY UPDATE;
    END IF;
    IF 35 = ANY (kinds) THEN
        locked := ARRAY (SELECT o.user_id FROM unnest(ops) AS o WHERE o.kind = 35);
        PERFORM FROM holding h WHERE h.user_id = ANY (locked) ORDER BY h.id FOR NO KEY UPDATE;
    END IF;
    IF c_kinds && '{4, 6, 7}' THEN
        locked := ARRAY (SELECT c.holding FROM unnest(c_kinds, c_holdings) AS c (kind, holding) WHERE c.kind = 7);
        FOR area IN SELECT n.node, k.kind FROM (
                SELECT DISTINCT CASE o.kind WHEN 34 THEN 0 WHEN 41 THEN o.target ELSE o.node END FROM unnest(ops) AS o WHERE o.kind IN (29, 34, 41)
            ) AS n (node) CROSS JOIN (
                SELECT c.type FROM unnest(c_kinds, c_types) AS c (kind, type) WHERE c.kind IN (4, 6)
                UNION SELECT h.kind FROM holding h WHERE h.id = ANY (locked)
            ) AS k (kind) ORDER BY n.node, k.kind
        LOOP
            PERFORM FROM tally t WHERE t.node = area.node AND t.kind = area.kind FOR NO KEY UPDATE;
            IF NOT FOUND THEN
                INSERT INTO tally (node, kind, minted, burned) VALUES (area.node, area.kind, 0, 0) ON CONFLICT (node, kind) DO NOTHING;
                PERFORM FROM tally t WHERE t.node = area.node AND t.kind = area.kind FOR NO KEY UPDATE;
            END IF;
        END LOOP;
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

-- What functions are by now, with other words from one place through another.
CREATE FUNCTION amend(its_function regproc, begins text, ends text, instead text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp AS $$
DECLARE
    before text := pg_get_functiondef(its_function);
    at     int := position(begins IN before);
    until  int := position(ends IN substr(before, at));
BEGIN
    IF at = 0 OR until = 0 THEN
        RAISE EXCEPTION 'there is no such place: % … %', begins, ends;
    END IF;
    EXECUTE 'DROP FUNCTION ' || its_function::oid::regprocedure;
    EXECUTE left(before, at - 1) || instead || substr(before, at + until - 1 + length(ends));
END $$;
SELECT amend('write_batch', 'c_ys double precision[]', 'c_ys double precision[]', 'c_ys double precision[], c_payloads bytea[] DEFAULT NULL');
SELECT amend('write_batch', 'PERFORM lock_rows(', ';', 'PERFORM lock_rows(ops, kinds, c_kinds, c_holdings, c_types, c_holders, c_regions);');
SELECT amend('write_batch', 'FOR k IN r.part', 'END LOOP;', 'PERFORM change_holdings(r.user_id, r.node, NULL, at_ms, r.part, r.part + r.count - 1,
                        c_kinds, c_holdings, c_types, c_holders, c_regions, c_xs, c_ys, c_payloads);');
SELECT amend('write_batch', 'WHEN 26 THEN -- pass', 'pass', '    IF r.kind = 25 AND a.outcome = 1 THEN
                    PERFORM cancel_trades(r.user_id, at_ms);
                END IF;

            WHEN 26 THEN -- pass');
SELECT amend('write_batch', 'INSERT INTO region_state (region, seed)', 'SELECT s.seed', 'INSERT INTO region_state AS s (region, seed) VALUES (r.region, r.number)
                    ON CONFLICT (region) DO UPDATE SET seed = excluded.seed WHERE s.seed IS NULL;
                IF FOUND THEN
                    WITH made AS (INSERT INTO holding (id, kind, user_id, region, x, y, payload)
                        SELECT c.id, c.type, c.holder, c.region, c.x, c.y, coalesce(c.payload, '''')
                        FROM unnest(c_holdings[r.part:r.part + r.count - 1], c_types[r.part:r.part + r.count - 1],
                            c_holders[r.part:r.part + r.count - 1], c_regions[r.part:r.part + r.count - 1],
                            c_xs[r.part:r.part + r.count - 1], c_ys[r.part:r.part + r.count - 1],
                            c_payloads[r.part:r.part + r.count - 1]) AS c (id, type, holder, region, x, y, payload)
                        ON CONFLICT (id) DO NOTHING RETURNING kind)
                    INSERT INTO tally AS t (node, kind, minted, burned) SELECT 0, m.kind, count(*), 0 FROM made m GROUP BY m.kind
                        ON CONFLICT (node, kind) DO UPDATE SET minted = t.minted + excluded.minted;
                END IF;
                SELECT s.seed');
SELECT amend('write_batch', 'FOR h IN UPDATE holding t', 'FOR h IN', 'PERFORM cancel_trades(r.user_id, 9223372036854775807);
                    FOR h IN');
SELECT amend('write_batch', '            END CASE;
        EXCEPTION', 'WHEN foreign_key_violation', '            WHEN 41 THEN -- the ground of a region
                IF serves(r.target, r.region, r.region_epoch) THEN
                    INSERT INTO region_state AS s (region, region_epoch, version) VALUES (r.region, r.region_epoch, r.version)
                        ON CONFLICT (region) DO UPDATE SET region_epoch = excluded.region_epoch, version = excluded.version
                        WHERE (s.region_epoch, s.version) < (excluded.region_epoch, excluded.version);
                    IF FOUND THEN
                        PERFORM change_holdings(NULL, r.target, r.region, at_ms, r.part, r.part + r.count - 1,
                            c_kinds, c_holdings, c_types, c_holders, c_regions, c_xs, c_ys, c_payloads);
                    ELSIF NOT EXISTS (SELECT FROM region_state s WHERE s.region = r.region AND s.region_epoch = r.region_epoch
                        AND s.version = r.version)
                    THEN
                        a.outcome := 4;
                    END IF;
                ELSE
                    a.outcome := 2;
                END IF;

            WHEN 42 THEN -- overdue trades
                a.n1 := cancel_trades(r.user_id, at_ms);

            END CASE;
        EXCEPTION
            WHEN SQLSTATE ''RM002'' OR SQLSTATE ''RM005'' OR SQLSTATE ''RM006'' OR SQLSTATE ''RM007'' OR SQLSTATE ''RM011'' THEN
                a := ROW (r.no, right(SQLSTATE, 2)::int2, SQLERRM::int8, NULL, NULL, NULL, NULL, NULL, NULL);
            WHEN foreign_key_violation');
SELECT amend('may_write', '-- guests and logins', 'logins', '-- the ground of a region that it serves, overdue trades
        WHEN o.kind = 41 THEN me.kind = ''gameserver'' AND me.node = o.target
        WHEN o.kind = 42 THEN me.kind = ''gameserver''
        -- guests and logins');
SELECT amend('read_batch', '8, 9, 11, 12, 13}', '}', '8, 9, 11, 12, 13, 14}');
SELECT amend('read_batch', '(8, 9, 11, 12, 13)', ')', '(8, 9, 11, 12, 13, 14)');
SELECT amend('read_batch', '        END CASE;', ';', '        WHEN 14 THEN
            RETURN QUERY SELECT ask.no, v.outcome::int2, b.kind, v.one, v.two, v.three, NULL::bytea, NULL::player, NULL::holding
                FROM count_holdings() AS b CROSS JOIN LATERAL (VALUES (1, b.held, b.on_ground, b.in_trades), (0, b.seeded, b.minted, b.burned))
                AS v (outcome, one, two, three) ORDER BY b.kind, v.outcome DESC;
        END CASE;');
SELECT amend('report', 'OUT on_ground bigint', 'bigint', 'OUT on_ground bigint, OUT in_trades bigint');
SELECT amend('report', 'SELECT count(h.user_id), count(h.region)', ';', 'SELECT count(h.user_id), count(h.region), count(h.trade) INTO held, on_ground, in_trades FROM holding h;');
SELECT amend('report', '    IF EXISTS (SELECT FROM player p, cluster c', 'IF', '    IF EXISTS (SELECT FROM count_holdings() AS b WHERE b.held + b.on_ground + b.in_trades + b.burned <> b.seeded + b.minted) THEN
        complaints := complaints || ''the holdings that are there are not those that were made and not destroyed''::text;
    END IF;
    IF');
DROP FUNCTION amend(regproc, text, text, text);
