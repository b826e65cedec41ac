-- What operators do to users and networks: rows that are only ever added to. Whoever lets users in reads what is new. A request about
-- users as such is a call of its own. Oldest program that may still work with this: the one before it, which lets everybody in.
--
-- Kinds: 1 kick, 2 ban, 3 the end of a ban. Outcomes: 1 applied, 2 there is no ban, 6 there is no such user.

SET LOCAL search_path = regionmesh, pg_temp;

-- Numbered by a row that is locked until the commit, so that whoever has seen a number has seen all below it.
INSERT INTO counter (name, value) VALUES ('sanction', 0);

CREATE TABLE sanction (
    seq           int8 PRIMARY KEY,
    user_id       int8,
    network       text,
    kind          int2 NOT NULL CHECK (kind >= 1),
    generation    int8 NOT NULL,
    at_ms         int8 NOT NULL,
    until_ms      int8 NOT NULL,
    reason        text NOT NULL CHECK (octet_length(reason) <= 200),
    -- No shorter than that of those before it about the same, which would count again else.
    read_until_ms int8 NOT NULL,
    CHECK ((user_id IS NULL) <> (network IS NULL))
);
CREATE INDEX sanction_of_user ON sanction (user_id, seq) WHERE user_id IS NOT NULL;
CREATE INDEX sanction_of_network ON sanction (network, seq) WHERE network IS NOT NULL;

-- The user's next session generation.
CREATE FUNCTION raise_session(its_user int8) RETURNS int8
LANGUAGE sql VOLATILE SET search_path = regionmesh, pg_temp AS $$
    INSERT INTO session AS s (user_id, generation, raised_ms)
        SELECT its_user, c.generation::int8 << 48 | 1, now_ms() FROM cluster c
        ON CONFLICT (user_id) DO UPDATE SET generation = greatest(s.generation + 1, excluded.generation), raised_ms = excluded.raised_ms
        RETURNING s.generation
$$;

CREATE FUNCTION add_sanction(its_user int8, its_network text, its_kind int2, for_ms int8, its_reason text, read_ms int8)
RETURNS TABLE (outcome int2, added sanction)
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    outcome := 1;
    added.generation := 0;
    IF its_user IS NOT NULL THEN
        PERFORM FROM session s WHERE s.user_id = its_user FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            outcome := 6;
        ELSIF its_kind IN (1, 2) THEN
            added.generation := raise_session(its_user);
        END IF;
    END IF;
    IF outcome = 1 AND its_kind = 3 AND NOT coalesce((SELECT s.kind = 2 AND s.until_ms > now_ms() FROM sanction s
        WHERE s.user_id IS NOT DISTINCT FROM its_user AND s.network IS NOT DISTINCT FROM its_network AND s.kind <> 1
        ORDER BY s.seq DESC LIMIT 1), false)
    THEN
        outcome := 2;
    END IF;
    IF outcome = 1 THEN
        UPDATE counter c SET value = c.value + 1 WHERE c.name = 'sanction' RETURNING c.value INTO STRICT added.seq;
        added.user_id := its_user;
        added.network := its_network;
        added.kind := its_kind;
        added.at_ms := now_ms();
        added.until_ms := added.at_ms;
        IF its_kind = 2 THEN
            added.until_ms := least(added.at_ms::numeric + coalesce(for_ms, 9223372036854775807), 9223372036854775807);
        END IF;
        added.reason := its_reason;
        added.read_until_ms := greatest(added.until_ms, added.at_ms + read_ms, (SELECT max(s.read_until_ms) FROM sanction s
            WHERE s.user_id IS NOT DISTINCT FROM its_user AND s.network IS NOT DISTINCT FROM its_network));
        INSERT INTO sanction SELECT added.*;
    END IF;
    RETURN NEXT;
END $$;

-- One row at least.
CREATE FUNCTION read_sanctions(above int8, most int4)
RETURNS TABLE (store_generation int4, newest int8, found sanction)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT c.generation, n.value, s.one FROM cluster c JOIN counter n ON n.name = 'sanction'
        LEFT JOIN (SELECT r.seq, r AS one FROM sanction r WHERE r.seq > above AND r.read_until_ms > now_ms()
            ORDER BY r.seq LIMIT most) AS s ON true
        ORDER BY s.seq
$$;
