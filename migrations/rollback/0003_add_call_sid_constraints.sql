-- Undoes 0003: call_sid may be NULL and need not be unique, and both indexes are dropped.
--
-- * Every row and every call_sid stays, including those that 0003 itself filled in.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.
-- * Parent and child are rebuilt together, in the order that 0003 explains. The indexes are dropped with the old table.
--   call_sid is added to the new table as 0001 does it, so that the schema has the same text as before 0003.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0003_add_call_sid_constraints.sql';

CREATE TABLE calls_rebuilt (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL UNIQUE,
  driver_id INTEGER,
  call_start_time TEXT NOT NULL,
  call_end_time TEXT,
  status TEXT NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed')),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

ALTER TABLE calls_rebuilt ADD COLUMN call_sid TEXT;

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

DELETE FROM d1_migrations WHERE name = '0003_add_call_sid_constraints.sql';
