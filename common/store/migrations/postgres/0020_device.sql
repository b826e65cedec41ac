-- Keys by which users come back without a password, guests as well. A guest is kept while one of its keys counts. Oldest program that may
-- work with this: the one before it.

SET LOCAL search_path = regionmesh, pg_temp;

CREATE TABLE device (
    key      bytea PRIMARY KEY CHECK (length(key) = 32),
    user_id  int8 NOT NULL,
    until_ms int8 NOT NULL
);
CREATE INDEX device_of_user ON device (user_id, until_ms);

SELECT amend('read_batch', 'AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = p.user_id)', 'p.user_id)',
        'AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = p.user_id)
                AND NOT EXISTS (SELECT FROM device d WHERE d.user_id = p.user_id AND d.until_ms > now_ms())'),
    amend('write_batch', 'AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = t.user_id)', 't.user_id)',
        'AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = t.user_id)
                        AND NOT EXISTS (SELECT FROM device d WHERE d.user_id = t.user_id AND d.until_ms > at_ms)'),
    amend('write_batch', 'DELETE FROM session s WHERE s.user_id = r.user_id;', ';',
        'DELETE FROM session s WHERE s.user_id = r.user_id;
                    DELETE FROM device d WHERE d.user_id = r.user_id;'),
    amend('set_password', 'IF FOUND THEN
        RETURN QUERY', 'QUERY', 'IF FOUND THEN
        DELETE FROM device d WHERE d.user_id = its_user;
        RETURN QUERY'),
    amend('delete_account', 'IF FOUND THEN
        RETURN QUERY', 'QUERY', 'IF FOUND THEN
        DELETE FROM device d WHERE d.user_id = its_user;
        RETURN QUERY');

CREATE FUNCTION keep_device(its_user int8, its_key bytea, for_ms int8, most int4) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
    LOCK TABLE cluster IN ACCESS SHARE MODE;
    -- Whoever forgets guests holds this row, and looks for keys when it has it.
    PERFORM FROM player p WHERE p.user_id = its_user FOR NO KEY UPDATE;
    PERFORM FROM session s WHERE s.user_id = its_user FOR NO KEY UPDATE;
    INSERT INTO device AS d (key, user_id, until_ms)
        VALUES (its_key, its_user, least(now_ms()::numeric + for_ms, 9223372036854775807))
        ON CONFLICT (key) DO UPDATE SET user_id = excluded.user_id, until_ms = excluded.until_ms;
    DELETE FROM device d WHERE d.user_id = its_user AND d.key NOT IN (
        SELECT o.key FROM device o WHERE o.user_id = its_user ORDER BY o.until_ms DESC, o.key DESC LIMIT most);
END $$;

-- Whose it is; NULL: nobody's.
CREATE FUNCTION read_device(its_key bytea) RETURNS int8
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT d.user_id FROM device d WHERE d.key = its_key AND d.until_ms > now_ms()
$$;
