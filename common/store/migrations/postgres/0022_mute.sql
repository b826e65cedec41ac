-- Who says nothing to others. Kinds of what is done to users since: 6 a mute, 7 its end; they end no session. Oldest program that may work
-- with this: the one before it, which lets everybody speak.

SET LOCAL search_path = regionmesh, pg_temp;

ALTER TABLE sanction DROP CONSTRAINT sanction_is_known;
ALTER TABLE sanction ADD CONSTRAINT sanction_is_known CHECK (kind BETWEEN 1 AND 7),
    ADD CONSTRAINT sanction_mutes_users CHECK (kind < 6 OR network IS NULL);

-- What ends something is numbered behind it.
SELECT amend('add_sanction', 'IF NOT FOUND AND its_kind <> 3 THEN', 'THEN', 'IF NOT FOUND AND its_kind NOT IN (3, 7) THEN'),
    amend('add_sanction', 'ELSIF its_kind <> 3 THEN', 'THEN', 'ELSIF its_kind NOT IN (3, 6, 7) THEN'),
    amend('add_sanction', 'AND its_kind = 3 AND NOT coalesce((SELECT s.kind = 2 AND', 'AND NOT coalesce((SELECT s.kind = 2 AND',
        'AND its_kind IN (3, 7) AND NOT coalesce((SELECT s.kind = its_kind - 1 AND'),
    amend('add_sanction', 'AND s.kind IN (2, 3)', '3)', 'AND s.kind IN (its_kind - 1, its_kind)'),
    amend('add_sanction', 'IF its_kind = 2 THEN', 'THEN', 'IF its_kind IN (2, 6) THEN');
