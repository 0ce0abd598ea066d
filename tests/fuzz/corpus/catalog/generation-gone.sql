--both
UPDATE replication SET generation = 'lost';
