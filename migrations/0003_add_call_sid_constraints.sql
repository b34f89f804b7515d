-- Makes call_sid mandatory and unique.
--
-- Why it is as it is
-- * It starts with the same statement as 0002, for the calls that code which does not know the column has
--   recorded since. Without it one such row would make this migration fail.
-- * SQLite adds NOT NULL or a named constraint to a column only by building the table anew, and switching foreign
--   keys off has no effect on D1. So parent and child are built anew together: create both (the new child refers
--   to the new parent), copy both, drop the child, drop the parent, rename both. Dropping the parent
--   first would fail, or with a cascade take every turn along.
-- * All ids are copied as they are. call_transcriptions keeps its structure.
-- * The indexes come last: their names are free only when the old table is gone.
-- * Code from before 0001 cannot record calls any more once this is applied: deploy code that writes call_sid first.

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

CREATE TABLE calls_rebuilt (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL UNIQUE,
  driver_id INTEGER,
  call_start_time TEXT NOT NULL,
  call_end_time TEXT,
  status TEXT NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed')),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  call_sid TEXT NOT NULL,
  CONSTRAINT uq_calls_call_sid UNIQUE (call_sid)
);

CREATE TABLE call_transcriptions_rebuilt (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL REFERENCES calls_rebuilt (conversation_id),
  speaker_type TEXT NOT NULL CHECK (speaker_type IN ('agent', 'driver')),
  message_text TEXT NOT NULL,
  timestamp TEXT NOT NULL,
  sequence_number INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (conversation_id, sequence_number)
);

INSERT INTO calls_rebuilt
  (id, conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at, call_sid)
SELECT id, conversation_id, driver_id, call_start_time, call_end_time, status, created_at, updated_at, call_sid
FROM calls
ORDER BY id;

INSERT INTO call_transcriptions_rebuilt
  (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at)
SELECT id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at
FROM call_transcriptions
ORDER BY id;

DROP TABLE call_transcriptions;

DROP TABLE calls;

ALTER TABLE calls_rebuilt RENAME TO calls;

ALTER TABLE call_transcriptions_rebuilt RENAME TO call_transcriptions;

CREATE INDEX idx_calls_call_sid ON calls (call_sid);

CREATE INDEX idx_calls_call_sid_status ON calls (call_sid, status);
