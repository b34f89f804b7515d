-- Whether a batch of statements that settles the call is being executed: 1 between its first and its last statement, else NULL.
--
-- A batch is one transaction, so no other request ever reads 1. The first statement of the batch sets it, only if the call is
-- unchanged since it was read; each later statement works only while it is 1; the last one makes it NULL again.
--
-- Adding the column rewrites no row. The code from before ignores it: it sets transcript_revision to a negative number instead,
-- and that stays correct with this column. No index: it is read together with the row.

ALTER TABLE calls ADD COLUMN settling INTEGER;
