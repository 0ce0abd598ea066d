UPDATE layer SET below = row;
