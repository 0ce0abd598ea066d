UPDATE job SET cursor = 9223372036854775807, copied = -1, total = 1;
