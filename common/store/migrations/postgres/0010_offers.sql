-- Who reads what a user holds learns when the first of the user's open offers ends. Oldest program that may still work with this: the
-- one before it, which leaves that row aside.

SET LOCAL search_path = regionmesh, pg_temp;

-- What a function is by now, with other words from one place through another: for migrations.
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
    EXECUTE left(before, at - 1) || instead || substr(before, at + until - 1 + length(ends));
END $$;

-- Before the holdings: who waits for the end of an offer that is over when they are read misses nothing that this has brought.
SELECT amend('read_batch', 'IF 7 = ANY (kinds) THEN', 'THEN', 'IF 7 = ANY (kinds) THEN
        RETURN QUERY SELECT o.no::int4, 0::int2, greatest(min(t.until_ms) - now_ms(), 0), NULL::int8, NULL::int8, NULL::int8, NULL::bytea,
            NULL::player, NULL::holding
            FROM unnest(kinds, users) WITH ORDINALITY AS o (kind, user_id, no) JOIN trade t ON t.offerer = o.user_id
            WHERE o.kind = 7 GROUP BY o.no;');
