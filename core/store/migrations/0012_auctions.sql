-- Auctions: what was put up, who bid what, who got it.

CREATE TABLE auctions (
    id        uuid PRIMARY KEY,
    run_id    text REFERENCES runs ON DELETE CASCADE,
    status    text NOT NULL CHECK (status IN ('awarded', 'partly_awarded', 'no_eligible_agent', 'no_valid_bid')),
    winners   text[] NOT NULL,
    result    jsonb NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX auctions_newest ON auctions (closed_at DESC, id);
