-- The highest version of a topology that any node has had in force: what an older one does not know is not given away for it.

SET LOCAL search_path = regionmesh, pg_temp;

INSERT INTO counter (name, value) VALUES ('topology', 0);

-- A node has this one in force. It starts no oftener than its node, so it is a call of its own.
CREATE FUNCTION note_topology(its_version int8) RETURNS SETOF answer
LANGUAGE sql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
    UPDATE counter c SET value = greatest(c.value, its_version) WHERE c.name = 'topology'
        RETURNING 1, 1::int2, c.value, NULL::int8, NULL::int8, NULL::int8, NULL::bytea, NULL::player, NULL::holding
$$;
