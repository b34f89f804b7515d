-- Undoes 0007. Listing calls still works afterwards, but scans the table.

DROP INDEX idx_calls_status_start_time;
DROP INDEX idx_calls_driver_start_time;
DROP INDEX idx_calls_start_time;

DELETE FROM d1_migrations WHERE name = '0007_add_reading_indexes.sql';
