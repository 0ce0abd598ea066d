UPDATE layer SET state = 0;
