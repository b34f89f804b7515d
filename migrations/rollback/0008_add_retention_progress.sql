-- Undoes 0008. After 0008 is applied again, clearing starts from the first row. It changes no
-- row that is already cleared.
--
-- The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
-- is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0008_add_retention_progress.sql';

DROP TABLE retention_progress;

DELETE FROM d1_migrations WHERE name = '0008_add_retention_progress.sql';
