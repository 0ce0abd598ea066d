--both
UPDATE replication SET type = 99;
