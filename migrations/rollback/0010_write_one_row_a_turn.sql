-- Undoes 0010: turns are stored in the order of `id` again, with a unique index on conversation and number. Deploy code from before
-- 0010 first: newer code writes `id` and reads the columns that are dropped.
--
-- * Every turn and every id stays. A new turn then gets the greatest id plus one, which may be the id of a deleted turn.
-- * Lost: the number of removed turns of each call, so that the id of a removed turn may be given again after 0010 is applied
--   again; and how far retention has come by calls. Retention continues from where it was when 0010 was applied. It reads what it
--   has passed since, and clears nothing twice.
-- * It copies all turns, which takes somewhat longer than 0010. D1's limit is 30 s: plan for it with millions of turns.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.
-- * The second statement inserts no row either. It fails ("UNIQUE constraint failed: call_transcriptions_rebuilt.id", with nothing
--   changed) if two turns have the same id. Only rows that were inserted by hand can have that.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0010_write_one_row_a_turn.sql';

CREATE TABLE call_transcriptions_rebuilt (
  id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL REFERENCES calls (conversation_id),
  speaker_type TEXT NOT NULL CHECK (speaker_type IN ('agent', 'driver')),
  message_text TEXT NOT NULL,
  timestamp TEXT NOT NULL,
  sequence_number INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (conversation_id, sequence_number)
);

ALTER TABLE call_transcriptions_rebuilt ADD COLUMN origin TEXT NOT NULL DEFAULT 'posted'
  CHECK (origin IN ('posted', 'transcript', 'unreported'));

ALTER TABLE call_transcriptions_rebuilt ADD COLUMN original_text TEXT;

INSERT INTO call_transcriptions_rebuilt
  (id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, origin, original_text)
SELECT id, conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at, origin, original_text
FROM call_transcriptions
ORDER BY id;

DROP TABLE call_transcriptions;

ALTER TABLE call_transcriptions_rebuilt RENAME TO call_transcriptions;

DROP INDEX idx_calls_turns_due;

ALTER TABLE calls DROP COLUMN turns_due_at;

ALTER TABLE calls DROP COLUMN turns_removed;

DELETE FROM retention_progress WHERE table_name = 'turns_of_calls';

DELETE FROM d1_migrations WHERE name = '0010_write_one_row_a_turn.sql';
