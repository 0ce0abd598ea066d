UPDATE volume SET name = CAST(x'c328' AS TEXT) WHERE name = 'copy';
