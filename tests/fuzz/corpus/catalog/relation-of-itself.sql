--both
UPDATE replication SET target = source;
