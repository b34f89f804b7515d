-- Undoes 0007. Listing calls still works, but scans the table.
--
-- The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
-- is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0007_add_reading_indexes.sql';

DROP INDEX idx_calls_status_start_time;
DROP INDEX idx_calls_driver_start_time;
DROP INDEX idx_calls_start_time;

DELETE FROM d1_migrations WHERE name = '0007_add_reading_indexes.sql';
