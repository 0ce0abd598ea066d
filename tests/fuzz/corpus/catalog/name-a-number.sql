UPDATE volume SET name = 5 WHERE name = 'copy';
