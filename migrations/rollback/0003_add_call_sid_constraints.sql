-- Undoes 0003: call_sid may be NULL and repeated again, and both indexes go.
--
-- * Every row and every call_sid stays, also those that 0003 itself filled in.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.
-- * Parent and child are built anew together, in the order explained in 0003. The indexes go with the old table.
--   call_sid is added to the new one the way 0001 does it, so that the schema reads as it did before 0003.

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
