-- Which agent has which tasks at the moment, across processes.

CREATE TABLE workload_agents (
    agent    text PRIMARY KEY,
    capacity integer NOT NULL CHECK (capacity >= 0) -- tasks at a time
);

CREATE TABLE workload_holders (
    holder       uuid PRIMARY KEY,
    process      jsonb NOT NULL,            -- host, pid, started
    lease_s      double precision NOT NULL, -- silent for longer, it counts as dead
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE workload_claims (
    claim      uuid PRIMARY KEY,
    agent      text NOT NULL REFERENCES workload_agents,
    holder     uuid NOT NULL REFERENCES workload_holders ON DELETE CASCADE,
    run_id     text REFERENCES runs ON DELETE CASCADE,
    task       text NOT NULL,
    kind       text NOT NULL,               -- the stage or type of the task
    complexity double precision NOT NULL CHECK (complexity BETWEEN 0 AND 1),
    volume     bigint NOT NULL CHECK (volume >= 0), -- rows
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX workload_claims_of_agent ON workload_claims (agent);
CREATE INDEX workload_claims_of_holder ON workload_claims (holder);

-- What an agent did last, to measure it by.
CREATE INDEX steps_of_agent ON steps ((outcome ->> 'agent'), finished_at DESC)
    WHERE status = 'done' AND outcome ->> 'agent' IS NOT NULL;
