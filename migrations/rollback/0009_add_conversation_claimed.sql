-- Undoes 0009: drops the column. Put the code from before back first: the newer one reads it with every turn that links.
--
-- * What is lost is which links were claimed only; from then on they stand, as they did before 0009.
-- * The first statement inserts nothing, and fails ("UNIQUE constraint failed: d1_migrations...") while a later
--   migration is still applied: roll the later one back first.

INSERT INTO d1_migrations (id, name)
SELECT id, name FROM d1_migrations WHERE name > '0009_add_conversation_claimed.sql';

ALTER TABLE calls DROP COLUMN conversation_claimed;

DELETE FROM d1_migrations WHERE name = '0009_add_conversation_claimed.sql';
