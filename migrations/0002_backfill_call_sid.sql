-- Names the calls that have no call_sid yet: EL_{driver_id}_{created_at as whole seconds since 1970},
-- with UNKNOWN where the driver is not known.
--
-- Why it is as it is
-- * Several calls of one driver in one second share that name. The one with the lowest id gets it bare, the
--   others get `_{id}` behind it.
-- * A name that another row has already is never given, or 0003 would fail. If the bare name is taken the call gets
--   `_{id}`. If that is taken too it gets `_{id}_2`, or the first free number after it.
-- * created_at is read in any form that strftime understands (`2025-11-21 10:30:00`, with T, Z, a fraction or
--   an offset). What cannot be read falls back to call_start_time and then to 0, because a NULL left here would
--   make 0003 fail.
-- * Rows that have a call_sid are not touched, nor is updated_at: the call itself has not changed.
-- * One pass with a window function and one look-up table of the names taken, so that the time grows with the
--   number of calls and not with its square.

WITH unnamed AS (
  SELECT
    id,
    'EL_' || COALESCE(CAST(driver_id AS TEXT), 'UNKNOWN') || '_'
      || COALESCE(strftime('%s', created_at), strftime('%s', call_start_time), '0') AS base
  FROM calls
  WHERE call_sid IS NULL
),
named AS (
  SELECT
    id,
    CASE
      WHEN ROW_NUMBER() OVER (PARTITION BY base ORDER BY id) = 1
        AND base NOT IN (SELECT call_sid FROM calls WHERE call_sid IS NOT NULL)
      THEN base
      WHEN base || '_' || id NOT IN (SELECT call_sid FROM calls WHERE call_sid IS NOT NULL)
      THEN base || '_' || id
      ELSE base || '_' || id || '_' || (
        WITH RECURSIVE candidate (number) AS (
          SELECT 2
          UNION ALL
          SELECT number + 1 FROM candidate
          WHERE base || '_' || id || '_' || number IN (SELECT call_sid FROM calls WHERE call_sid IS NOT NULL)
        )
        SELECT MAX(number) FROM candidate
      )
    END AS call_sid
  FROM unnamed
)
UPDATE calls
SET call_sid = named.call_sid
FROM named
WHERE named.id = calls.id;
