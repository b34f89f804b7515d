-- The two tables everything else builds on: one row for each call, one row for each spoken turn of it.
--
-- Why it is as it is
-- * `id INTEGER PRIMARY KEY` without AUTOINCREMENT: the row id itself. AUTOINCREMENT would keep a counter in a
--   table of its own and so add one billed written row to every insert.
-- * Times are text in UTC, `2025-11-21T10:30:05.000Z`, so that text order is time order.
-- * A turn belongs to its call through the conversation, which is how ElevenLabs names it. There is no cascade:
--   a call that has turns cannot be deleted by accident.
-- * UNIQUE (conversation_id, sequence_number) is the only index of the turns. It finds the turns of a conversation
--   in order, finds the next number, and keeps a number from being given twice. Every further index would
--   cost one more written row for each turn.

CREATE TABLE calls (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL UNIQUE,
  driver_id INTEGER,
  call_start_time TEXT NOT NULL,
  call_end_time TEXT,
  status TEXT NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed')),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE call_transcriptions (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL REFERENCES calls (conversation_id),
  speaker_type TEXT NOT NULL CHECK (speaker_type IN ('agent', 'driver')),
  message_text TEXT NOT NULL,
  timestamp TEXT NOT NULL,
  sequence_number INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (conversation_id, sequence_number)
);
