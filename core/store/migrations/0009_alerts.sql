-- What called for attention, from when to when, and whom that was told.

CREATE TABLE alerts (
    alert      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN
               ('pipeline_failure', 'quality_degradation', 'sla_breach', 'resource_exhaustion')),
    subject    text NOT NULL,              -- what it is about: a pipeline, one of its metrics, a resource
    host       text,                       -- the machine, where only that one can tell; NULL: any
    run_id     text REFERENCES runs,
    message    text NOT NULL,
    measured   jsonb NOT NULL,
    raised_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL,       -- when it was last found to hold
    cleared_at timestamptz
);

CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alerts_newest ON alerts (kind, subject, alert DESC);

CREATE TABLE alert_deliveries (
    alert        bigint NOT NULL REFERENCES alerts,
    change       text NOT NULL CHECK (change IN ('raised', 'cleared')),
    destination  text NOT NULL,            -- digest of a webhook's URL, which may be a secret itself
    delivered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (alert, change, destination)
);
