-- Whoever picks something up serves the region in which it lies, as whoever lays something down does; and an offer is no larger and
-- stands no longer than the program lets it. Oldest program that may still work with this: the one before it, which asks for
-- nothing else.

SET LOCAL search_path = regionmesh, pg_temp;

-- Refuses who does not serve, at the epoch in the player's row, the region in which the player stands: otherwise whoever serves it
-- has read its ground already.
CREATE FUNCTION stands_in(its_user int8, its_region int8, its_node int4, its_holding int8) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = regionmesh, pg_temp AS $$
BEGIN
    PERFORM FROM player p JOIN region r ON r.region = p.region AND r.epoch = p.region_epoch
        WHERE p.user_id = its_user AND p.region = its_region AND r.node = its_node;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'RM002', MESSAGE = its_holding::text;
    END IF;
END $$;

SELECT amend('change_holdings', 'WHEN 1 THEN -- take', 'take', 'WHEN 1 THEN -- take
            PERFORM stands_in(its_user, c_regions[k], its_node, n);'),
    amend('change_holdings', 'WHEN 3 THEN -- drop', 'END IF;', 'WHEN 3 THEN -- drop
            PERFORM stands_in(its_user, c_regions[k], its_node, n);'),
    amend('change_holdings', 'WHERE n >> 52 = 1024 + its_node AND (SELECT count(*) FROM trade t', 'trade t', 'WHERE n >> 52 = 1024 + its_node
                AND c_types[k] BETWEEN 0 AND 3600000 AND (SELECT count(*) FROM trade t'),
    amend('change_holdings', 'SET user_id = NULL, trade = opened WHERE t.id = n AND t.user_id = its_user', 'its_user',
        'SET user_id = NULL, trade = opened WHERE t.id = n AND t.user_id = its_user
                AND (SELECT count(*) FROM holding i WHERE i.trade = opened) < 16'),
    amend('change_holdings', 'SET wants = t.wants || n WHERE t.id = opened', 'opened', 'SET wants = t.wants || n WHERE t.id = opened
                AND cardinality(t.wants) < 16'),
    -- The region of either stays served so until the transaction ends.
    amend('lock_rows', 'OR c_kinds && ''{3}'' THEN', 'THEN', 'OR c_kinds && ''{1, 3}'' THEN'),
    amend('lock_rows', 'WHERE c.kind = 3', '3', 'WHERE c.kind IN (1, 3)');
