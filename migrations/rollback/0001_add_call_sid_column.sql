-- Undoes 0001: drops the column call_sid.
--
-- * What the column holds is lost. The names given by 0002 come back when 0002 is applied again, others do not.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0001_add_call_sid_column.sql';

ALTER TABLE calls DROP COLUMN call_sid;

DELETE FROM d1_migrations WHERE name = '0001_add_call_sid_column.sql';
