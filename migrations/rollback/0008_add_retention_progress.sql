-- Undoes 0008. After applying it again, clearing starts from the first row once more, which
-- changes nothing that is cleared already.
--
-- The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
-- migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0008_add_retention_progress.sql';

DROP TABLE retention_progress;

DELETE FROM d1_migrations WHERE name = '0008_add_retention_progress.sql';
