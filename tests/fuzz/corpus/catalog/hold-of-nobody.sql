UPDATE hold SET owner = 'nobody';
