UPDATE layer SET below_limit = -1;
