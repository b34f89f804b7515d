-- Undoes 0010: the turns are kept in the order of `id` again, with the unique index on conversation and number. Put the code from
-- before back first: the newer one writes `id` and reads the columns that go.
--
-- * Every turn and every id stays. A new turn then gets the greatest id plus one, and the id of a deleted last one again.
-- * What is lost: how many turns each call had removed, so an id of a removed turn may be given again once 0010 is back; and how
--   far retention has come by calls. It goes on where it stood when 0010 was applied, which clears nothing twice but
--   reads what it has passed since.
-- * It copies all turns, and takes somewhat longer than 0010 itself. With millions of them think of D1's 30 s first.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.
-- * The second one inserts nothing either, and fails ("UNIQUE constraint failed: call_transcriptions_rebuilt.id", with nothing
--   changed) if two turns have the same id, which only rows inserted by hand can have.

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
