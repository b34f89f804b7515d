-- Undoes 0001: drops the column call_sid.
--
-- * What the column holds is lost. Applying 0002 again restores the names that 0002 gave, but no others.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0001_add_call_sid_column.sql';

ALTER TABLE calls DROP COLUMN call_sid;

DELETE FROM d1_migrations WHERE name = '0001_add_call_sid_column.sql';
