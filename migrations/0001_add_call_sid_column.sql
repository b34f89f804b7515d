-- The name under which the ledger knows a call before ElevenLabs has given it a conversation.
--
-- Nullable at first, so that code which does not know the column keeps working while this is rolled out.
-- 0002 fills it for the calls already there, 0003 makes it mandatory and unique.

ALTER TABLE calls ADD COLUMN call_sid TEXT;
