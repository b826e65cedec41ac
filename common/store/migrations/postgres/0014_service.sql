-- A durable write names the service under which it is made, and the row has to stand under that, which has to be the current one: a commit,
-- a release, another session, and the source of a handover (there `entity` is the region of the source and `number` its epoch). Oldest
-- program that may still work with this: this one, since what the one before it writes names none. End its nodes first.

SET LOCAL search_path = regionmesh, pg_temp;

SELECT amend('lock_rows', 'OR c_kinds && ''{1, 3}'' THEN', 'THEN', 'OR kinds && ''{29, 30, 31}'' OR c_kinds && ''{1, 3}'' THEN'),
    amend('lock_rows', 'SELECT o.region, o.kind = 23 FROM unnest(ops) AS o WHERE', 'WHERE', 'SELECT o.entity, false FROM unnest(ops) AS o WHERE o.kind = 26
                UNION ALL SELECT o.region, false FROM unnest(ops) AS o WHERE o.kind IN (29, 30, 31)
                UNION ALL SELECT o.region, o.kind = 23 FROM unnest(ops) AS o WHERE'),
    amend('write_batch', 'WHEN 28, 29 THEN -- save, commit', 'commit', 'WHEN 28, 29 THEN -- save, commit
                serving := r.kind = 29 AND serves(r.node, r.region, r.region_epoch);'),
    amend('write_batch', 'AND t.version < r.version;', ';', 'AND t.version < r.version
                    AND (r.kind = 28 OR serving AND t.region = r.region AND t.region_epoch = r.region_epoch);'),
    amend('write_batch', 'THEN 1 ELSE 4 END INTO n', 'n', 'THEN 1
                            WHEN r.kind = 29 AND NOT (serving AND t.region = r.region AND t.region_epoch = r.region_epoch) THEN 2 ELSE 4 END INTO n'),
    amend('write_batch', 'WHEN 30 THEN -- release', 'release', 'WHEN 30 THEN -- release
                serving := serves(r.node, r.region, r.region_epoch);'),
    amend('write_batch', 'AND t.version <= r.version;', ';', 'AND t.version <= r.version
                    AND serving AND t.region = r.region AND t.region_epoch = r.region_epoch;'),
    amend('write_batch', 'WHEN 31 THEN -- rebind', 'rebind', 'WHEN 31 THEN -- rebind
                serving := serves(r.node, r.region, r.region_epoch);'),
    amend('write_batch', 'AND (t.session_generation, t.attach_no) <= (r.session_generation, r.attach_no);', ';', 'AND (t.session_generation, t.attach_no) <= (r.session_generation, r.attach_no)
                    AND serving AND t.region = r.region AND t.region_epoch = r.region_epoch;'),
    amend('write_batch', 'AND o.owner_epoch >> 48 = current;', ';', 'AND o.owner_epoch >> 48 = current
                    AND t.region = o.entity AND t.region_epoch = o.number;'),
    amend('write_batch', 'IF serving AND n = r.count THEN', 'THEN', 'IF serving AND serves(r.node, r.entity, r.number) AND n = r.count THEN');
