-- Agents that are registered, made at run time, or deployed.

-- How far the readers of streams have got: what stands before a position was processed, and is on record.
CREATE TABLE stream_offsets (
    stream       text NOT NULL,
    reader       text NOT NULL,
    part         text NOT NULL,   -- a file's name, or a partition's number
    position     bigint NOT NULL, -- bytes of a file, offset of a partition
    confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, reader, part)
);

-- What agents hold of a machine while they work.
CREATE TABLE resource_allocations (
    allocation   uuid PRIMARY KEY,
    process      jsonb NOT NULL,  -- host, pid, started
    host         text NOT NULL,
    agent        text NOT NULL,
    run_id       text REFERENCES runs ON DELETE CASCADE,
    cores        double precision NOT NULL CHECK (cores > 0),
    memory_mb    integer NOT NULL CHECK (memory_mb > 0),
    allocated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX resource_allocations_of_host ON resource_allocations (host);

-- What agents came to, attempt by attempt.
CREATE INDEX journal_of_attempts ON journal (actor, seq DESC) WHERE kind IN ('step.committed', 'step.failed');

-- Which agents were made at run time.
CREATE INDEX journal_of_creations ON journal (run_id) WHERE kind = 'agent.specified';
