-- Undoes 0011: drops the column. Put the code from before back first: the newer one reads it with every event.
--
-- * Payloads in the bucket stay there, but no row names them any more. About an event that still waits ElevenLabs is asked.
--   After applying 0011 again they are still not named. Delete the bucket's objects when the texts' time has come.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0011_add_payload_in_bucket.sql';

ALTER TABLE elevenlabs_events DROP COLUMN payload_in_bucket;

DELETE FROM d1_migrations WHERE name = '0011_add_payload_in_bucket.sql';
