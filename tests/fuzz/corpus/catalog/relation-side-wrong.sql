UPDATE OR IGNORE replication SET side = 7;
