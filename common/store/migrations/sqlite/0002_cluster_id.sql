-- Whose store this is: 16 bytes, set by the first node that opens it. Epochs mean something within one cluster only.

ALTER TABLE cluster ADD COLUMN cluster_id BLOB CHECK (cluster_id IS NULL OR length(cluster_id) = 16);
