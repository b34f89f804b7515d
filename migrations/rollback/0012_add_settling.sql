-- Undoes 0012: drops the column. Deploy code from before 0012 first: newer code sets the column with every settlement.
--
-- * Nothing is lost: outside a transaction the column is NULL in every row.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0012_add_settling.sql';

ALTER TABLE calls DROP COLUMN settling;

DELETE FROM d1_migrations WHERE name = '0012_add_settling.sql';
