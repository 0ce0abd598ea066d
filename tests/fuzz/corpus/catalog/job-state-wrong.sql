UPDATE job SET state = 99;
