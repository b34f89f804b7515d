-- Undoes 0000: drops both tables.
--
-- * THIS DELETES EVERY CALL AND EVERY TURN. Export what you still need first.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.
-- * The child table is dropped first: the parent cannot be dropped while turns refer to it.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0000_create_calls_and_transcriptions.sql';

DROP TABLE call_transcriptions;

DROP TABLE calls;

DELETE FROM d1_migrations WHERE name = '0000_create_calls_and_transcriptions.sql';
