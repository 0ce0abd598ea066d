UPDATE job SET kind = 99;
