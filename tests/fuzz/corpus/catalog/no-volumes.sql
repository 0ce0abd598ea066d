DELETE FROM volume;
