-- Which nodes may serve which region, as an operator tells the store from the signed topology: no other node's login begins to serve
-- it, takes it over or is given it. Oldest program that may still work with this: the one before it, which takes the new outcome for
-- damage.
--
-- Outcomes since: 12 the node is no candidate of the region.

SET LOCAL search_path = regionmesh, pg_temp;

-- All rows are of one version of the topology.
CREATE TABLE region_candidate (
    region  int8,
    node    int4,
    version int8 NOT NULL,
    PRIMARY KEY (region, node)
);

-- These are the candidates by a topology of that version; tells the version of those that are there then, which is a higher one when this came
-- too late, or nothing where the store is another cluster's.
CREATE FUNCTION note_candidates(its_cluster bytea, its_version int8, regions int8[], nodes int4[]) RETURNS int8
LANGUAGE plpgsql VOLATILE SET search_path = regionmesh, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    newest int8;
BEGIN
    IF EXISTS (SELECT FROM cluster c WHERE c.cluster_id <> its_cluster) THEN
        RETURN NULL;
    END IF;
    LOCK TABLE region_candidate IN SHARE ROW EXCLUSIVE MODE;
    newest := (SELECT max(c.version) FROM region_candidate c);
    IF newest > its_version OR its_version IS NULL THEN
        RETURN newest;
    END IF;
    DELETE FROM region_candidate;
    INSERT INTO region_candidate (region, node, version)
        SELECT DISTINCT c.region, c.node, its_version FROM unnest(regions, nodes) AS c (region, node);
    RETURN its_version;
END $$;

-- Whether the caller may let that node have a region: one of which nothing was told is anybody's, and whoever owns the schema is asked
-- nothing.
CREATE FUNCTION is_candidate(its_region int8, its_node int4) RETURNS bool
LANGUAGE sql STABLE SET search_path = regionmesh, pg_temp AS $$
    SELECT EXISTS (SELECT FROM region_candidate c WHERE c.region = its_region AND c.node = its_node)
        OR NOT EXISTS (SELECT FROM region_candidate c WHERE c.region = its_region) OR is_owner()
$$;

-- Whoever serves a region already may begin anew there, so that a gift in doubt can be undone.
SELECT amend('write_batch', 'a.n1 := epoch_after(coalesce(n, 0), current, 1);', ';', 'IF m IS DISTINCT FROM r.target AND NOT is_candidate(r.region, r.target) THEN
                        RAISE EXCEPTION USING ERRCODE = ''RM012'', MESSAGE = r.region::text;
                    END IF;
                    a.n1 := epoch_after(coalesce(n, 0), current, 1);'),
    amend('write_batch', 'OR SQLSTATE ''RM011'' THEN', 'THEN', 'OR SQLSTATE ''RM011'' OR SQLSTATE ''RM012'' THEN'),
    amend('lease_batch', 'WHEN 39, 40 THEN -- take over, give', 'give', 'WHEN 39, 40 THEN -- take over, give
                IF NOT is_candidate(r.region, r.taker) THEN
                    a.outcome := 12;
                    RETURN NEXT a;
                    CONTINUE;
                END IF;'),
    amend('report', '    IF EXISTS (SELECT FROM player p, cluster c', 'IF', '    IF EXISTS (SELECT FROM login l WHERE l.kind = ''gameserver'') AND NOT EXISTS (SELECT FROM region_candidate) THEN
        complaints := complaints || ''it was not told which servers the topology lists for which region, so the login of any of them may take any region: regionmesh store topology''::text;
    END IF;
    IF');
