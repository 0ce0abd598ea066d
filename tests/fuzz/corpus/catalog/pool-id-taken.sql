--both
UPDATE pool SET id = '0123456789abcdef0123456789abcdef';
