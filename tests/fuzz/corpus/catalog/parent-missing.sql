UPDATE volume SET parent = 'nobody';
