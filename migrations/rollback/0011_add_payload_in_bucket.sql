-- Undoes 0011: drops the column. Deploy code from before 0011 first: newer code reads the column with every event.
--
-- * Payloads in the bucket stay there, but no row names them, even after 0011 is applied again. The reconciler asks
--   ElevenLabs about the events that wait. Delete the bucket's objects yourself when their retention time is over.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0011_add_payload_in_bucket.sql';

ALTER TABLE elevenlabs_events DROP COLUMN payload_in_bucket;

DELETE FROM d1_migrations WHERE name = '0011_add_payload_in_bucket.sql';
