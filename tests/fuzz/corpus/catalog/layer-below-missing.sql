PRAGMA foreign_keys = OFF; UPDATE layer SET below = 9999 WHERE below IS NOT NULL;
