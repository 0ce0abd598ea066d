UPDATE volume SET top = 9999;
