-- Undoes 0008. After applying it again, clearing starts from the first row once more, which
-- changes nothing that is cleared already.

DROP TABLE retention_progress;

DELETE FROM d1_migrations WHERE name = '0008_add_retention_progress.sql';
