-- Accounts for which somebody else vouches, and accounts that their owners delete. Oldest program that may work with this: the one before
-- it, which knows no tokens.
--
-- Outcomes of create_account_of beside those of create_account: 4 the identity is somebody's already.

SET LOCAL search_path = regionmesh, pg_temp;

-- Whoever shows a token of this issuer about this subject is the account's user.
CREATE TABLE identity (
    issuer  text COLLATE "C" NOT NULL CHECK (octet_length(issuer) BETWEEN 1 AND 256),
    subject text COLLATE "C" NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 256),
    user_id int8 NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identity_of_user ON identity (user_id);

CREATE FUNCTION create_account_of(its_issuer text, its_subject text, its_user int8, its_name text, its_fold text, its_look text, its_verifier text)
RETURNS int2
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    made int2;
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    INSERT INTO identity (issuer, subject, user_id) VALUES (its_issuer, its_subject, its_user) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 4;
    END IF;
    made := create_account(its_user, its_name, its_fold, its_look, its_verifier);
    IF made <> 1 THEN
        DELETE FROM identity i WHERE i.issuer = its_issuer AND i.subject = its_subject;
    END IF;
    RETURN made;
END $$;

-- One row or none.
CREATE FUNCTION read_account_of(its_issuer text, its_subject text)
RETURNS TABLE (user_id int8, name text, verifier text, made_ms int8, reset_hash bytea)
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT a.* FROM identity i, read_account(i.user_id, NULL) a WHERE i.issuer = its_issuer AND i.subject = its_subject
$$;

SELECT amend('delete_account', 'DELETE FROM device d WHERE d.user_id = its_user;', ';',
    'DELETE FROM device d WHERE d.user_id = its_user;
        DELETE FROM identity i WHERE i.user_id = its_user;');

-- By whoever has checked the password, or a token: as long as the account has this verifier.
CREATE FUNCTION delete_own_account(its_user int8, was text, its_reason text, read_ms int8)
RETURNS TABLE (outcome int2, added sanction)
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    -- In this order everywhere: the session first.
    PERFORM FROM session s WHERE s.user_id = its_user FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM raise_session(its_user);
    END IF;
    PERFORM FROM account c WHERE c.user_id = its_user AND c.verifier = was FOR UPDATE;
    IF FOUND THEN
        RETURN QUERY SELECT * FROM delete_account(its_user, its_reason, read_ms);
        RETURN;
    END IF;
    outcome := CASE WHEN EXISTS (SELECT FROM account c WHERE c.user_id = its_user) THEN 2 ELSE 6 END;
    RETURN NEXT;
END $$;
