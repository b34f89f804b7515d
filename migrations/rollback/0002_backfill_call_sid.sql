-- Undoes 0002: takes back the names it gave.
--
-- * Only a call_sid that is exactly what 0002 gives to that very row (bare, or with `_{id}` or `_{id}_{number}` behind
--   it) becomes NULL.
--   A call_sid written by code that knows the column stays.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.

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
