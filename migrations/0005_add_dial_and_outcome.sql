-- What the ledger has to remember of a dial besides its conversation.
--
-- dial_token           random, written together with the row: whoever finds its own token there may dial. That
--                      makes a repeated write harmless and lets one of two equal requests dial.
-- failure_reason       why the call failed, for people and for the answer to a repeated request.
-- telephony_call_sid   the name of the call at the telephone provider, as ElevenLabs reports it.
--
-- All nullable: calls from before have none of them. No index: none of them is searched for.

ALTER TABLE calls ADD COLUMN dial_token TEXT;

ALTER TABLE calls ADD COLUMN failure_reason TEXT;

ALTER TABLE calls ADD COLUMN telephony_call_sid TEXT;
