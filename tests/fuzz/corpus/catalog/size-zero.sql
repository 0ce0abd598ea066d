UPDATE volume SET size = 0;
