INSERT INTO pool SELECT 'x', limit_bytes, created_ms FROM pool;
