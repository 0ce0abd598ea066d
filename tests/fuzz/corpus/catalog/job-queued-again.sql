--both
UPDATE job SET state = 1;
