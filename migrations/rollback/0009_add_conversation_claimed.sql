-- Undoes 0009: drops the column. Deploy code from before 0009 first: newer code uses the column.
--
-- * Lost: which conversations are only claimed. From then on they count as confirmed, as before 0009.
-- * The first statement inserts no row. It fails ("UNIQUE constraint failed: d1_migrations...") if a later migration
--   is applied: roll back the later one first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0009_add_conversation_claimed.sql';

ALTER TABLE calls DROP COLUMN conversation_claimed;

DELETE FROM d1_migrations WHERE name = '0009_add_conversation_claimed.sql';
