--both
UPDATE OR IGNORE replication SET side = 1;
