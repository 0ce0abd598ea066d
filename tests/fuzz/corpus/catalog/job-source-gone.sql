UPDATE job SET source = 'nobody';
