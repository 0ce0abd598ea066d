UPDATE job SET target = 'nobody';
