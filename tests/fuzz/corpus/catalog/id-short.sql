UPDATE volume SET id = 'x' WHERE name = 'copy';
