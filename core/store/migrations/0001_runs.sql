-- Runs, their steps, their journal, and the snapshots of their flow's state.

CREATE TABLE runs (
    run_id       text PRIMARY KEY,
    pipeline     text NOT NULL,
    spec         jsonb NOT NULL,
    fingerprint  text NOT NULL,
    document     text,                      -- path of the YAML file, if there was one
    base_dir     text NOT NULL,             -- what relative paths in the spec stand under
    status       text NOT NULL DEFAULT 'created'
                 CHECK (status IN ('created', 'running', 'interrupted', 'waiting', 'failed', 'published')),
    token        bigint NOT NULL DEFAULT 0, -- fencing: grows with each holder
    holder       jsonb,                     -- who works on the run now: host, pid, started
    heartbeat_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    report       jsonb,                     -- what the run came to, once it has ended
    error        text                       -- why it stopped, if it did
);

CREATE INDEX runs_newest ON runs (created_at DESC, run_id DESC);

CREATE TABLE steps (
    run_id      text NOT NULL REFERENCES runs ON DELETE CASCADE,
    step_key    text NOT NULL,
    status      text NOT NULL CHECK (status IN ('running', 'done', 'failed')),
    attempt     integer NOT NULL,
    token       bigint NOT NULL,
    outcome     jsonb,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (run_id, step_key)
);

CREATE TABLE journal (
    seq    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event  uuid NOT NULL UNIQUE,            -- makes writing an event again harmless
    run_id text NOT NULL REFERENCES runs ON DELETE CASCADE,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind   text NOT NULL,                   -- such as step.committed
    actor  text NOT NULL,                   -- the agent, or the part of Crewline, that did it
    step   text,
    data   jsonb NOT NULL
);

CREATE INDEX journal_of_run ON journal (run_id, seq);

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only';
END $$;

CREATE TRIGGER journal_is_append_only BEFORE UPDATE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();

CREATE TABLE flow_states (
    run_id   text NOT NULL REFERENCES runs ON DELETE CASCADE,
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    method   text NOT NULL,
    state    jsonb NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, seq)
);
