UPDATE layer SET below = (SELECT max(row) FROM layer) WHERE below IS NULL;
