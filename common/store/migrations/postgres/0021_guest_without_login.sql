-- A guest whose last login ended long ago is stale though its row has an owner, who has nobody to simulate it for. Oldest program that may
-- work with this: the one before it.

SET LOCAL search_path = regionmesh, pg_temp;

SELECT amend('read_batch', 'OR NOT EXISTS (SELECT FROM region r WHERE r.region = p.region', 'p.region_epoch)',
        'OR NOT EXISTS (SELECT FROM region r WHERE r.region = p.region AND r.epoch <= p.region_epoch)
                    OR EXISTS (SELECT FROM session s WHERE s.user_id = p.user_id AND coalesce(s.until_ms, s.raised_ms) <= now_ms() - ask.number)'),
    amend('write_batch', 'OR NOT EXISTS (SELECT FROM region s WHERE s.region = t.region', 't.region_epoch)',
        'OR NOT EXISTS (SELECT FROM region s WHERE s.region = t.region AND s.epoch <= t.region_epoch)
                            OR EXISTS (SELECT FROM session l WHERE l.user_id = t.user_id AND coalesce(l.until_ms, l.raised_ms) <= at_ms - r.number)');
