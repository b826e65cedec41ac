-- What a password is checked against, made anew at another cost by whoever has just checked it. Nothing ends. Oldest program that may work
-- with this: the one before it.

SET LOCAL search_path = regionmesh, pg_temp;

-- Whether the account still had what it had when it was read.
CREATE FUNCTION renew_verifier(its_user int8, was text, its_verifier text) RETURNS bool
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    UPDATE account c SET verifier = its_verifier WHERE c.user_id = its_user AND c.verifier = was;
    RETURN FOUND;
END $$;
