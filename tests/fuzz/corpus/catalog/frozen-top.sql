UPDATE layer SET state = 2;
