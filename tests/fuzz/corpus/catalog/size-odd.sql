UPDATE volume SET size = 1000;
