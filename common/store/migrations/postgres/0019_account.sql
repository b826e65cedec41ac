-- Users with a password, who are guests no more: they are kept for good. Oldest program that may work with this: this one, since the one
-- before it takes another kind of what is done to users for none, and lets their sessions go on.
--
-- Kinds of what is done to users since: 4 another password, 5 the account is no more. Outcomes: 1 applied, 2 the name is taken or the
-- password is another one, 5 the user has an account, 6 there is none.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE TABLE account (
    user_id        int8 PRIMARY KEY,
    name           text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 1024),
    -- As it is looked for, and what it looks like: of two names that people take for one another, one is free.
    fold           text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(fold) BETWEEN 1 AND 1024),
    look           text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(look) BETWEEN 1 AND 1024),
    -- argon2id, as PHC strings are written.
    verifier       text NOT NULL CHECK (octet_length(verifier) BETWEEN 1 AND 256),
    made_ms        int8 NOT NULL,
    -- SHA-256 of a code by which the password may be set.
    reset_hash     bytea CHECK (length(reset_hash) = 32),
    reset_until_ms int8,
    CHECK ((reset_hash IS NULL) = (reset_until_ms IS NULL))
);

ALTER TABLE sanction DROP CONSTRAINT sanction_is_known;
ALTER TABLE sanction ADD CONSTRAINT sanction_is_known CHECK (kind BETWEEN 1 AND 5);

-- Sessions end by other kinds as well, and only bans and their ends say whether somebody is banned.
SELECT amend('add_sanction', 'AND s.kind <> 1', '1', 'AND s.kind IN (2, 3)'),
    amend('add_sanction', 'ELSIF its_kind IN (1, 2) THEN', 'THEN', 'ELSIF its_kind <> 3 THEN');

-- Whoever has an account is no guest.
SELECT amend('read_batch', 'AND p.written_ms <= now_ms() - ask.number', 'ask.number',
        'AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = p.user_id) AND p.written_ms <= now_ms() - ask.number'),
    amend('write_batch', 'AND t.user_id >= 1099511627776', '1099511627776',
        'AND t.user_id >= 1099511627776 AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = t.user_id)'),
    amend('write_batch', 'NOT EXISTS (SELECT FROM player t WHERE t.user_id = s.user_id)', ')',
        'NOT EXISTS (SELECT FROM player t WHERE t.user_id = s.user_id) AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = s.user_id)'),
    amend('report', 'FILTER (WHERE p.user_id >= 1099511627776', '1099511627776',
        'FILTER (WHERE p.user_id >= 1099511627776 AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = p.user_id)');

CREATE FUNCTION create_account(its_user int8, its_name text, its_fold text, its_look text, its_verifier text) RETURNS int2
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    -- Whoever forgets guests holds these rows, and looks for the account when it has them.
    PERFORM FROM player p WHERE p.user_id = its_user FOR NO KEY UPDATE;
    PERFORM FROM session s WHERE s.user_id = its_user FOR NO KEY UPDATE;
    INSERT INTO account (user_id, name, fold, look, verifier, made_ms)
        VALUES (its_user, its_name, its_fold, its_look, its_verifier, now_ms()) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN 1 WHEN EXISTS (SELECT FROM account c WHERE c.user_id = its_user) THEN 5 ELSE 2 END;
END $$;

-- By user or by name as it is looked for; one row or none.
CREATE FUNCTION read_account(its_user int8, its_fold text)
RETURNS TABLE (user_id int8, name text, verifier text, made_ms int8, reset_hash bytea)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT c.user_id, c.name, c.verifier, c.made_ms, CASE WHEN c.reset_until_ms > now_ms() THEN c.reset_hash END
        FROM account c WHERE c.user_id = its_user OR c.fold = its_fold
$$;

CREATE FUNCTION set_password(its_user int8, was text, its_verifier text, its_reason text, read_ms int8)
RETURNS TABLE (outcome int2, added sanction)
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    -- In this order everywhere: the session first.
    PERFORM FROM session s WHERE s.user_id = its_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM raise_session(its_user);
    END IF;
    UPDATE account c SET verifier = its_verifier, reset_hash = NULL, reset_until_ms = NULL
        WHERE c.user_id = its_user AND c.verifier = was;
    IF FOUND THEN
        RETURN QUERY SELECT * FROM add_sanction(its_user, NULL, 4::int2, NULL, its_reason, read_ms);
        RETURN;
    END IF;
    outcome := CASE WHEN EXISTS (SELECT FROM account c WHERE c.user_id = its_user) THEN 2 ELSE 6 END;
    RETURN NEXT;
END $$;

-- Until when; NULL: there is no account.
CREATE FUNCTION allow_reset(its_user int8, its_hash bytea, for_ms int8) RETURNS int8
LANGUAGE sql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
    UPDATE account c SET reset_hash = its_hash, reset_until_ms = least(now_ms()::numeric + for_ms, 9223372036854775807)
        WHERE c.user_id = its_user RETURNING c.reset_until_ms
$$;

CREATE FUNCTION delete_account(its_user int8, its_reason text, read_ms int8)
RETURNS TABLE (outcome int2, added sanction)
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    PERFORM FROM session s WHERE s.user_id = its_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM raise_session(its_user);
    END IF;
    DELETE FROM account c WHERE c.user_id = its_user;
    IF FOUND THEN
        RETURN QUERY SELECT * FROM add_sanction(its_user, NULL, 5::int2, NULL, its_reason, read_ms);
        RETURN;
    END IF;
    outcome := 6;
    RETURN NEXT;
END $$;
