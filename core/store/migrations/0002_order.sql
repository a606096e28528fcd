-- What is read back as a whole comes back as it was written: jsonb does not keep the order of columns, json does.

ALTER TABLE runs ALTER spec TYPE json USING spec::json;
ALTER TABLE steps ALTER outcome TYPE json USING outcome::json;
