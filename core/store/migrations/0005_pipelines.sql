-- Pipelines on record: each version of each, with what its sources were when they were last looked at.

CREATE TABLE pipelines (
    name          text NOT NULL,
    version       text NOT NULL,             -- fingerprint of the spec
    spec          json NOT NULL,
    base_dir      text NOT NULL,             -- what relative paths in the spec stand under
    examined      jsonb,                     -- level, tasks by stage, rows by source; NULL: not looked at since
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(), -- registered again, or run
    PRIMARY KEY (name, version)
);

CREATE INDEX runs_of_pipeline ON runs (pipeline, created_at DESC);

-- What was run before pipelines were registered.
INSERT INTO pipelines (name, version, spec, base_dir, registered_by, registered_at, seen_at)
SELECT DISTINCT ON (pipeline, fingerprint)
       pipeline, fingerprint, spec, base_dir, 'flow', created_at,
       max(created_at) OVER (PARTITION BY pipeline, fingerprint)
FROM runs ORDER BY pipeline, fingerprint, created_at;
