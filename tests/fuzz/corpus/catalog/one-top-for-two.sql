UPDATE volume SET top = (SELECT min(top) FROM volume);
