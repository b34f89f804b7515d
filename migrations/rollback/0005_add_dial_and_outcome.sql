-- Undoes 0005: drops the three columns.
--
-- * Lost: the reasons of failed calls, the telephone provider's names of calls, and the tokens of open dials. Stop
--   placing calls first.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0005_add_dial_and_outcome.sql';

ALTER TABLE calls DROP COLUMN telephony_call_sid;

ALTER TABLE calls DROP COLUMN failure_reason;

ALTER TABLE calls DROP COLUMN dial_token;

DELETE FROM d1_migrations WHERE name = '0005_add_dial_and_outcome.sql';
