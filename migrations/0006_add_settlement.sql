-- What settling a call needs: ElevenLabs' events as they came, and what they say of the call.
--
-- calls.transcript_revision counts how often ElevenLabs' transcript was written; 0 means never.
--   While it is 0 a turn takes the next number; afterwards a turn is fitted into the transcript.
-- calls.asked_at is when the reconciler last asked ElevenLabs about the call.
-- call_transcriptions.origin: 'posted' by the agent; 'transcript' for a turn that so far stands only in
--   ElevenLabs' transcript, so that a late post takes its place instead of a second one; 'unreported'
--   for a posted turn that ElevenLabs' transcript does not have.
-- call_transcriptions.original_text is the turn before ElevenLabs' transcript gave it other words: as it was
--   posted, or as the agent meant to say it when it was interrupted. NULL where it is no different.
-- elevenlabs_events.payload is NULL where the event was too large for a row, or was cleared.
--   outcome: 'kept' waits to be applied; all others are final.
--
-- The two indexes are partial: a settled call and a final event are in neither, so the
-- reconciler's cost does not grow with what is settled.

ALTER TABLE calls ADD COLUMN summary TEXT;
ALTER TABLE calls ADD COLUMN transcript_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN asked_at TEXT;

CREATE INDEX idx_calls_unsettled ON calls (COALESCE(asked_at, call_start_time))
  WHERE status = 'in_progress' OR failure_reason = 'outcome_unknown';

ALTER TABLE call_transcriptions ADD COLUMN origin TEXT NOT NULL DEFAULT 'posted'
  CHECK (origin IN ('posted', 'transcript', 'unreported'));
ALTER TABLE call_transcriptions ADD COLUMN original_text TEXT;

CREATE TABLE elevenlabs_events (
  id INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  event_timestamp INTEGER NOT NULL,
  payload TEXT,
  received_at TEXT NOT NULL,
  tried_at TEXT NOT NULL,
  applied_at TEXT,
  outcome TEXT NOT NULL CHECK (outcome IN ('kept', 'applied', 'ignored', 'expired')),
  CONSTRAINT uq_elevenlabs_events UNIQUE (conversation_id, type, event_timestamp)
);

CREATE INDEX idx_elevenlabs_events_kept ON elevenlabs_events (tried_at) WHERE outcome = 'kept';
