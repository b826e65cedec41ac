-- A session ends: of whom nobody owns, only the newest login activates the player, and while it lasts. And offers that nobody looks
-- after are found. Oldest program that may still work with this: this one, since the one before it extends no session.
--
-- Kinds of requests since: 17 who has overdue offers, 61 a session lasts longer, 62 it is over. Outcomes since: 13 the session is over.

SET LOCAL search_path = regionmesh, pg_temp;

-- NULL once it was ended. Those that are there when this comes last as long as a fresh one.
ALTER TABLE session ADD COLUMN until_ms int8;
UPDATE session SET until_ms = now_ms() + 1800000;
CREATE INDEX trade_by_end ON trade (until_ms);

-- Whether this is the newest login of the user, and not over.
CREATE FUNCTION session_lasts(its_user int8, its_generation int8, at_ms int8) RETURNS bool
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT EXISTS (SELECT FROM session s WHERE s.user_id = its_user AND s.generation = its_generation AND s.until_ms > at_ms)
$$;

-- The user's next session generation, which lasts as one of a login.
CREATE OR REPLACE FUNCTION raise_session(its_user int8) RETURNS int8
LANGUAGE sql VOLATILE SET search_path = regionmesh, pg_temp AS $$
    INSERT INTO session AS s (user_id, generation, raised_ms, until_ms)
        SELECT its_user, c.generation::int8 << 48 | 1, now_ms(), now_ms() + 1800000 FROM cluster c
        ON CONFLICT (user_id) DO UPDATE SET generation = greatest(s.generation + 1, excluded.generation),
            raised_ms = excluded.raised_ms, until_ms = excluded.until_ms
        RETURNING s.generation
$$;

SELECT amend('read_batch', 'IF 6 = ANY (kinds) THEN', 'THEN', 'IF 17 = ANY (kinds) THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, u.offerer, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
            FROM unnest(kinds, numbers) WITH ORDINALITY AS o (kind, number, no) CROSS JOIN LATERAL (
                SELECT DISTINCT d.offerer FROM (SELECT t.offerer FROM trade t WHERE t.until_ms <= (SELECT now_ms()) - o.number
                    ORDER BY t.until_ms, t.id LIMIT 64) AS d ORDER BY d.offerer) AS u
            WHERE o.kind = 17;
    END IF;
    IF 6 = ANY (kinds) THEN'),
    amend('write_batch', 'AND (t.session_generation, t.attach_no) <= (r.session_generation, r.attach_no)', 'r.attach_no)',
        'AND (t.session_generation, t.attach_no) <= (r.session_generation, r.attach_no)
                        AND (t.owner IS NOT NULL OR session_lasts(r.user_id, r.session_generation, at_ms))'),
    -- All else being as it should, it was for the session.
    amend('write_batch', 'IF r.kind = 25 AND a.outcome = 1 THEN', 'THEN', 'IF r.kind = 25 AND a.outcome = 2 AND serving AND p.owner IS NULL
                    AND p.owner_epoch = r.owner_epoch AND (p.session_generation, p.attach_no) <= (r.session_generation, r.attach_no)
                THEN
                    a.outcome := 13;
                    a.p := NULL;
                END IF;
                IF r.kind = 25 AND a.outcome = 1 THEN'),
    amend('write_batch', 'INSERT INTO session AS s (user_id, generation, raised_ms)', 'at_ms)',
        'INSERT INTO session AS s (user_id, generation, raised_ms, until_ms) VALUES (r.user_id, current::int8 << 48 | 1, at_ms, at_ms + 1800000)'),
    amend('write_batch', 'raised_ms = excluded.raised_ms RETURNING', 'RETURNING',
        'raised_ms = excluded.raised_ms, until_ms = excluded.until_ms RETURNING'),
    amend('write_batch', 'WHEN 42 THEN -- overdue trades', 'trades', 'WHEN 61 THEN -- a session lasts longer
                UPDATE session s SET until_ms = greatest(s.until_ms, at_ms + 1800000)
                    WHERE s.user_id = r.user_id AND s.generation = r.number AND s.until_ms IS NOT NULL;
                IF NOT FOUND THEN
                    a.outcome := 13;
                END IF;

            WHEN 62 THEN -- a session is over
                UPDATE session s SET until_ms = NULL WHERE s.user_id = r.user_id AND s.generation = r.number;
                a.outcome := 13;

            WHEN 42 THEN -- overdue trades'),
    amend('lock_rows', 'IF 33 = ANY (kinds) THEN', 'THEN', 'IF kinds && ''{33, 61, 62}'' THEN'),
    amend('lock_rows', 'WHERE o.kind = 33', '33', 'WHERE o.kind IN (33, 61, 62)'),
    amend('may_write', 'WHEN o.kind IN (32, 33) THEN', 'THEN', 'WHEN o.kind IN (32, 33, 61, 62) THEN');
