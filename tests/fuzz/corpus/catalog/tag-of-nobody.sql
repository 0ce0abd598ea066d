PRAGMA foreign_keys = OFF; INSERT INTO tag VALUES ('nobody', 'a', 'b');
