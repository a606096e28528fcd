-- What waits for a person's decision, and what was decided.

CREATE TABLE approvals (
    approval    text PRIMARY KEY,
    subject     text NOT NULL,              -- what is to be approved, such as `publish shop-1`
    run_id      text REFERENCES runs,
    fingerprint text NOT NULL,              -- SHA-256 of `seen`: another content is another thing to approve
    seen        json NOT NULL,              -- what the person is shown
    reason      text NOT NULL,              -- why it needs a person
    asked_by    text NOT NULL,
    path        text[] NOT NULL CHECK (cardinality(path) > 0), -- who is asked, one after the other
    level       integer NOT NULL DEFAULT 0, -- whose turn it is, from 0
    timeout_s   double precision NOT NULL CHECK (timeout_s > 0), -- of each of them
    asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at      timestamptz NOT NULL,
    status      text NOT NULL DEFAULT 'pending'
                CHECK (status IN ('pending', 'approved', 'denied', 'expired', 'void')),
    decided_by  text,
    decision    text,                       -- why it was decided so
    decided_at  timestamptz,
    CHECK (status NOT IN ('approved', 'denied') OR decided_by IS NOT NULL)
);

CREATE UNIQUE INDEX approvals_pending ON approvals (subject) WHERE status = 'pending';
CREATE INDEX approvals_of_subject ON approvals (subject, asked_at DESC);
