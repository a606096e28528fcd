-- Decisions by consensus: what was proposed, what each voter said, what that came to.

CREATE TABLE consensus (
    id          uuid PRIMARY KEY,
    run_id      text REFERENCES runs ON DELETE CASCADE,
    dataset     text NOT NULL,
    fingerprint text NOT NULL,             -- of the proposal
    verdict     text NOT NULL,
    proposal    jsonb NOT NULL,
    result      jsonb NOT NULL,
    decided_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, fingerprint)           -- a run decides a thing once; outside of runs, as often as asked
);

CREATE INDEX consensus_of_dataset ON consensus (dataset, decided_at DESC);
