-- How far clearing old texts has come, per table: the greatest id that is cleared. Ids grow with
-- time, so each run goes on where the last one stopped and reads nothing twice.

CREATE TABLE retention_progress (
  table_name TEXT PRIMARY KEY,
  cleared_to_id INTEGER NOT NULL
) WITHOUT ROWID;
