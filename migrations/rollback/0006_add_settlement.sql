-- Undoes 0006. Lost: ElevenLabs' events, the summaries and the marks of settled transcripts.
-- Calls, their outcomes and their turns stay. Deploy code from before 0006 first.
--
-- The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
-- is applied: roll back the later one first.

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
