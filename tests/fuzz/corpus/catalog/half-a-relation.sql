DELETE FROM replication WHERE side = 0;
