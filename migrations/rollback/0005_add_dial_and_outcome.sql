-- Undoes 0005: drops the three columns.
--
-- * What they hold is lost: the reasons of failed calls, the names of the calls at the telephone provider, and the
--   tokens of dials under way. Stop placing calls first.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0005_add_dial_and_outcome.sql';

ALTER TABLE calls DROP COLUMN telephony_call_sid;

ALTER TABLE calls DROP COLUMN failure_reason;

ALTER TABLE calls DROP COLUMN dial_token;

DELETE FROM d1_migrations WHERE name = '0005_add_dial_and_outcome.sql';
