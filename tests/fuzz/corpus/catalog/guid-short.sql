UPDATE layer SET guid = 'x' WHERE row = (SELECT max(row) FROM layer);
