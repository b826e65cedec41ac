-- Whoever reads on gets all that was done since, however late; a ban of a guest who was forgotten can be lifted; and what no node
-- understands is not written. Oldest program that may still work with this: the one before it.

SET LOCAL search_path = regionmesh, pg_temp;

ALTER TABLE sanction ADD CONSTRAINT sanction_is_known CHECK (kind BETWEEN 1 AND 3),
    ADD CONSTRAINT sanction_network_is_one CHECK (network IS NULL OR network::cidr IS NOT NULL);

SELECT amend('read_sanctions', 'AND r.read_until_ms > now_ms()', ')', 'AND (above > 0 OR r.read_until_ms > now_ms())'),
    amend('add_sanction', 'IF NOT FOUND THEN', 'THEN', 'IF NOT FOUND AND its_kind <> 3 THEN');
