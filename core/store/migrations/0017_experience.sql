-- What runs were like, one row for each run that was reflected upon; the oldest are pruned.
CREATE TABLE experiences (
    run_id      text PRIMARY KEY REFERENCES runs,
    pipeline    text NOT NULL,
    seq         bigint GENERATED ALWAYS AS IDENTITY,
    observation jsonb NOT NULL,
    reflected_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX experiences_of_pipeline ON experiences (pipeline, seq DESC);
CREATE INDEX experiences_in_order ON experiences (seq);

-- What they taught. A pattern holds as long as the runs on record speak for it; a person can undo it.
CREATE TABLE patterns (
    pattern    text PRIMARY KEY,
    pipeline   text NOT NULL,
    document   json NOT NULL,
    holds      boolean NOT NULL,
    undone_at  timestamptz,
    learned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX patterns_of_pipeline ON patterns (pipeline);
