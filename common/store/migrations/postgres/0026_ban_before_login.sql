-- Whoever has an account can be kept out before the first login as well. Oldest program that may work with this: the one before it.

SET LOCAL search_path = regionmesh, pg_temp;

SELECT amend('add_sanction', 'IF NOT FOUND AND its_kind NOT IN (3, 7) THEN', 'THEN',
    'IF NOT FOUND AND its_kind NOT IN (3, 7) AND NOT EXISTS (SELECT FROM account c WHERE c.user_id = its_user) THEN');
