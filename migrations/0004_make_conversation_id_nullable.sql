-- Lets a call be recorded before ElevenLabs has given it a conversation: no dial without a committed row, and the
-- conversation is known only after the dial.
--
-- Why it is as it is
-- * SQLite drops NOT NULL from a column only by building the table anew. Parent and child are built anew together, in
--   the order explained in 0003, with all ids as they are.
-- * conversation_id stays UNIQUE, which lets any number of calls be without one, and stays what the turns refer to.
--   call_transcriptions keeps its structure: a turn always has a conversation.
-- * The constraint uq_calls_call_sid and both indexes of 0003 went with the old table and are made again.

CREATE TABLE calls_rebuilt (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT UNIQUE,
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
