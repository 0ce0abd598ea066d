UPDATE volume SET size = -512;
