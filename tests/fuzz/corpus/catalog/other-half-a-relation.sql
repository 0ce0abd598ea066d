DELETE FROM replication WHERE side = 1;
