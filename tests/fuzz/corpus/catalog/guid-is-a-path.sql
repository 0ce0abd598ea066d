UPDATE layer SET guid = '../../../etc/passwd' WHERE row = (SELECT min(row) FROM layer);
