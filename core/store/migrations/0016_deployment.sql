-- Deployed agents, and the jobs that they are given.

-- Attempts are measured by the steps of the ledger.
DROP INDEX journal_of_attempts;

CREATE TABLE deployed_agents (
    run_id        text NOT NULL REFERENCES runs ON DELETE CASCADE, -- the deployment
    agent         text NOT NULL,
    source        text,                    -- the stream that it reads on and on
    status        text NOT NULL CHECK (status IN ('starting', 'healthy', 'unhealthy', 'undeployed')),
    leaving       boolean NOT NULL DEFAULT false, -- it was asked to be undeployed
    reason        text,                    -- why it is unhealthy
    response_s    double precision,        -- what it took to answer the last check
    checked_at    timestamptz,
    deployed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    undeployed_at timestamptz,
    PRIMARY KEY (run_id, agent)
);

CREATE TABLE deployed_jobs (
    job          uuid PRIMARY KEY,
    agent        text NOT NULL,
    dataset      text NOT NULL,
    source       text NOT NULL,
    data         jsonb,                    -- a reference to what another agent left
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'running', 'done', 'failed')),
    run_id       text REFERENCES runs ON DELETE CASCADE, -- the deployment that took it
    attempts     integer NOT NULL DEFAULT 0,
    submitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    outcome      jsonb,
    error        text
);

CREATE INDEX deployed_jobs_open ON deployed_jobs (agent, submitted_at) WHERE status = 'open';
CREATE INDEX deployed_jobs_running ON deployed_jobs (run_id) WHERE status = 'running';
CREATE INDEX deployed_jobs_of_run ON deployed_jobs (run_id, agent);
