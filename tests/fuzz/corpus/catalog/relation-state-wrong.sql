--both
UPDATE replication SET state = 99;
