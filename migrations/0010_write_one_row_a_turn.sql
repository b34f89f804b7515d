-- A new turn writes one row instead of two: the table of turns is kept in the order of its key, and has no index.
--
-- Why it is as it is
-- * D1 bills each written row, and an entry of an index counts as one. A turn wrote its row, in the order of `id`, and an
--   entry of UNIQUE (conversation_id, sequence_number). As a primary key WITHOUT ROWID that pair is the row's own
--   place: one written row, one search, and each conversation's id once less in the file. Renumbering a turn writes half.
-- * `id` becomes an ordinary column. An index on it would bring the second written row back; no statement searches for it.
--   Old ids stay. New code gives a call's n-th turn the id 2^40 + calls.id * 2^22 + n, where n counts every turn that the
--   call ever had: those that are there and `calls.turns_removed`. So an id is unique for ever without a counter that would
--   have to be written with each turn. All are below 2^53, which JSON carries exactly.
-- * The DEFAULT is for code from before this migration, which runs for some minutes more, and for rows inserted by hand. It is a
--   random number from 2^52 on, out of 2^51: a thousand such turns collide once in 4,000,000,000 databases.
-- * Rows deleted by hand: the ledger deletes neither calls nor posted turns. Who deletes turns raises `turns_removed` of their call
--   by as many, or a later turn may get the id of a deleted one. SQLite gives the id of a deleted call again if it
--   was the newest one, and with it the ids of that call's turns. Do not delete calls: a call_sid without a row can
--   be dialled a second time. Clear texts instead.
-- * `calls.turns_due_at`: retention goes by calls from here on, because turns cannot be found by age without an index. A call
--   that has a text left, or gets one, after retention has passed it says here when the oldest one was stored. NULL, as it
--   nearly always is, means no entry in the partial index and so no written row.
-- * retention_progress gets a second row, `turns_of_calls`, in ids of calls. The old row in ids of turns stays for the code
--   that knows it.
-- * The child of a foreign key is built anew without its parent: create, copy, drop, rename. The foreign key, all columns
--   and CHECKs are as they were.
--
-- How long it takes: 10 to 16 s of a processor for a million turns, and D1 allows 30 s. The database answers nothing else
-- meanwhile. Above 1,000,000 turns move them first, in parts: docs/deploying.md, "Migration 0010 with millions of turns". That leaves a
-- table `call_transcriptions_rebuilt`, which is used here if it is there.

ALTER TABLE calls ADD COLUMN turns_removed INTEGER NOT NULL DEFAULT 0;

ALTER TABLE calls ADD COLUMN turns_due_at TEXT;

CREATE INDEX idx_calls_turns_due ON calls (turns_due_at) WHERE turns_due_at IS NOT NULL;

-- Retention goes on from the latest call of the thousand turns that it cleared last. Calls before that one may have later turns.
INSERT INTO retention_progress (table_name, cleared_to_id)
SELECT 'turns_of_calls', call_id
FROM (
  SELECT MAX(c.id) AS call_id
  FROM retention_progress p
  JOIN call_transcriptions t ON t.id > p.cleared_to_id - 1000 AND t.id <= p.cleared_to_id
  JOIN calls c ON c.conversation_id = t.conversation_id
  WHERE p.table_name = 'call_transcriptions'
)
WHERE call_id IS NOT NULL;

UPDATE calls
SET turns_due_at = late.stored_at
FROM (
  SELECT t.conversation_id, strftime('%Y-%m-%dT%H:%M:%fZ', MIN(datetime(t.created_at))) AS stored_at
  FROM retention_progress p
  JOIN call_transcriptions t ON t.id > p.cleared_to_id
  WHERE p.table_name = 'call_transcriptions'
  GROUP BY t.conversation_id
) late
WHERE late.conversation_id = calls.conversation_id
  AND calls.id <= (SELECT cleared_to_id FROM retention_progress WHERE table_name = 'turns_of_calls');

-- Only after this migration was rolled back: ids of the new kind that are there already are not given again.
UPDATE calls
SET turns_removed = MAX(0, given.nth - (
  SELECT COUNT(*) FROM call_transcriptions t WHERE t.conversation_id = calls.conversation_id
))
FROM (
  SELECT (id - 1099511627776) / 4194304 AS call_id, MAX((id - 1099511627776) % 4194304) AS nth
  FROM call_transcriptions
  WHERE id > 1099511627776 AND id < 4503599627370496
  GROUP BY 1
) given
WHERE given.call_id = calls.id;

CREATE TABLE IF NOT EXISTS call_transcriptions_rebuilt (
  id INTEGER NOT NULL DEFAULT (4503599627370496 + (random() & 2251799813685247)),
  conversation_id TEXT NOT NULL REFERENCES calls (conversation_id),
  speaker_type TEXT NOT NULL CHECK (speaker_type IN ('agent', 'driver')),
  message_text TEXT NOT NULL,
  timestamp TEXT NOT NULL,
  sequence_number INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  origin TEXT NOT NULL DEFAULT 'posted' CHECK (origin IN ('posted', 'transcript', 'unreported')),
  original_text TEXT,
  PRIMARY KEY (conversation_id, sequence_number)
) WITHOUT ROWID;

INSERT INTO call_transcriptions_rebuilt
  (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, origin, original_text)
SELECT id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, origin, original_text
FROM call_transcriptions
ORDER BY conversation_id, sequence_number;

DROP TABLE call_transcriptions;

ALTER TABLE call_transcriptions_rebuilt RENAME TO call_transcriptions;
