-- What a game keeps of each region, and of the world, which is place 0. Oldest program that may still work with this: the one before
-- it, which asks for nothing of it.
--
-- Kinds of requests since: 18 what a game keeps, 50 it keeps something else.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE TABLE game_state (
    place        int8  PRIMARY KEY,
    -- Which region has written it: epochs of different regions have no order.
    region       int8  NOT NULL,
    region_epoch int8  NOT NULL,
    version      int8  NOT NULL,
    serial       int8  NOT NULL,
    state        bytea NOT NULL CHECK (length(state) <= 65536)
);

SELECT amend('read_batch', 'IF 6 = ANY (kinds) THEN', 'THEN', 'IF 18 = ANY (kinds) THEN
        RETURN QUERY SELECT o.no::int4, 1::int2, s.serial, NULL::int8, NULL::int8, NULL::int8, s.state, NULL::player, NULL::holding
            FROM unnest(kinds, regions, numbers) WITH ORDINALITY AS o (kind, region, number, no) JOIN game_state s ON s.place = o.region
            WHERE o.kind = 18 AND s.serial > o.number;
    END IF;
    IF 6 = ANY (kinds) THEN'),
    -- Whose region it is stays so until the transaction ends; then what is kept, after the state of regions and before players.
    amend('lock_rows', 'IF kinds && ''{23, ', '{23, ', 'IF kinds && ''{50, 23, '),
    amend('lock_rows', 'WHERE o.kind IN (23, ', '(23, ', 'WHERE o.kind IN (50, 23, '),
    amend('lock_rows', 'IF 41 = ANY (kinds) THEN', 'THEN', 'IF 50 = ANY (kinds) THEN
        locked := ARRAY (SELECT o.number FROM unnest(ops) AS o WHERE o.kind = 50);
        PERFORM FROM game_state s WHERE s.place = ANY (locked) ORDER BY s.place FOR NO KEY UPDATE;
    END IF;
    IF 41 = ANY (kinds) THEN'),
    amend('may_write', '-- guests and logins', 'logins', '-- what its game keeps of a region that it serves, or of the world
        WHEN o.kind = 50 THEN me.kind = ''gameserver'' AND me.node = o.target AND (o.number = o.region
            OR o.number = 0 AND o.region = coalesce((SELECT min(c.region) FROM region_candidate c), o.region))
        -- guests and logins'),
    amend('write_batch', 'WHEN 42 THEN -- overdue trades', 'trades', 'WHEN 50 THEN -- what a game keeps
                IF serves(r.target, r.region, r.region_epoch) THEN
                    INSERT INTO game_state AS s (place, region, region_epoch, version, serial, state)
                        VALUES (r.number, r.region, r.region_epoch, r.version, 1, r.state)
                        ON CONFLICT (place) DO UPDATE SET region = excluded.region, region_epoch = excluded.region_epoch, version = excluded.version,
                            serial = s.serial + 1, state = excluded.state
                        WHERE s.region <> excluded.region OR (s.region_epoch, s.version) < (excluded.region_epoch, excluded.version);
                    IF NOT FOUND AND NOT EXISTS (SELECT FROM game_state s WHERE s.place = r.number AND s.region = r.region
                        AND s.region_epoch = r.region_epoch AND s.version = r.version)
                    THEN
                        a.outcome := 4;
                    END IF;
                ELSE
                    a.outcome := 2;
                END IF;

            WHEN 42 THEN -- overdue trades');
