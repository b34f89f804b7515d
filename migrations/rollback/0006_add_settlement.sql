-- Undoes 0006. ElevenLabs' events, the summaries and the marks of settled transcripts are gone
-- with it; the calls, their outcomes and their turns stay. Deploy code that does not use them
-- first.
--
-- The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
-- migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0006_add_settlement.sql';

DROP TABLE elevenlabs_events;
DROP INDEX idx_calls_unsettled;
ALTER TABLE call_transcriptions DROP COLUMN original_text;
ALTER TABLE call_transcriptions DROP COLUMN origin;
ALTER TABLE calls DROP COLUMN asked_at;
ALTER TABLE calls DROP COLUMN transcript_revision;
ALTER TABLE calls DROP COLUMN summary;

DELETE FROM d1_migrations WHERE name = '0006_add_settlement.sql';
