-- Where the payload of an event is.
--
-- 0: in elevenlabs_events.payload; if that is NULL, the event was too large for a row, or its payload was cleared.
-- 1: in the R2 bucket that is bound as EVENTS, as the object events/<conversation_id>/<type>/<event_timestamp>. The object
--    is written before the row that names it, and the row names it until the object is deleted.
--
-- 0 for all events from before. The code from before ignores the column. No index: it is read together with the row.

ALTER TABLE elevenlabs_events ADD COLUMN payload_in_bucket INTEGER NOT NULL DEFAULT 0
  CHECK (payload_in_bucket IN (0, 1));
