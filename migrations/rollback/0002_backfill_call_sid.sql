-- Undoes 0002: removes the names that it gave.
--
-- * Only a call_sid that 0002 would give to the same row becomes NULL: the plain name, or the name followed by `_{id}` or
--   `_{id}_{number}`.
--   A call_sid that was written by newer code stays.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0002_backfill_call_sid.sql';

WITH candidates AS (
  SELECT
    id,
    'EL_' || COALESCE(CAST(driver_id AS TEXT), 'UNKNOWN') || '_'
      || COALESCE(strftime('%s', created_at), strftime('%s', call_start_time), '0') AS base
  FROM calls
  WHERE call_sid IS NOT NULL
)
UPDATE calls
SET call_sid = NULL
FROM candidates
WHERE candidates.id = calls.id
  AND (calls.call_sid IN (candidates.base, candidates.base || '_' || candidates.id)
    OR calls.call_sid GLOB candidates.base || '_' || candidates.id || '_[1-9]*');

DELETE FROM d1_migrations WHERE name = '0002_backfill_call_sid.sql';
