-- Whether a call's conversation is only what somebody claimed: 1 while nobody but a turn named it, and turns needed no
-- token then. ElevenLabs' own word (the answer to the dial, an event, what it answers when it is asked) makes it 0, and
-- puts the right conversation in the place of a claimed one.
--
-- 0 for all calls from before: they stay linked as they are. The code from before ignores the column, and links with 0.
-- No index: it is read together with the row.

ALTER TABLE calls ADD COLUMN conversation_claimed INTEGER NOT NULL DEFAULT 0;
