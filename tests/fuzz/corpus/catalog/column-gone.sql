ALTER TABLE volume DROP COLUMN request;
