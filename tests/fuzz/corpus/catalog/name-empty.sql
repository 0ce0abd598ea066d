UPDATE volume SET name = '' WHERE name = 'copy';
