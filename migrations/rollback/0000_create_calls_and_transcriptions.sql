-- Undoes 0000: drops both tables.
--
-- * THIS DELETES EVERY CALL AND EVERY TURN. Export first what is still needed.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.
-- * The child goes first: the parent cannot be dropped while turns refer to it.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0000_create_calls_and_transcriptions.sql';

DROP TABLE call_transcriptions;

DROP TABLE calls;

DELETE FROM d1_migrations WHERE name = '0000_create_calls_and_transcriptions.sql';
