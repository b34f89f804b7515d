-- Undoes 0012: drops the column. Put the code from before back first: the newer one sets the column with every settlement.
--
-- * Nothing is lost: outside a transaction the column is NULL in every row.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0012_add_settling.sql';

ALTER TABLE calls DROP COLUMN settling;

DELETE FROM d1_migrations WHERE name = '0012_add_settling.sql';
