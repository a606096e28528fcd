-- Messages between agents, kept until they are confirmed, and after.

CREATE TABLE message_agents (
    id            text PRIMARY KEY,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE conversations (
    id        text PRIMARY KEY,
    length    integer NOT NULL DEFAULT 1,  -- messages so far; locked by who adds one
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE messages (
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    id           uuid PRIMARY KEY,
    conversation text NOT NULL REFERENCES conversations,
    place        integer NOT NULL,         -- in its conversation, from 1
    in_reply_to  uuid,
    run_id       text REFERENCES runs ON DELETE CASCADE,
    sender       text NOT NULL,
    recipient    text NOT NULL,
    kind         text NOT NULL,
    payload      jsonb NOT NULL,
    datasets     text[] NOT NULL,          -- what it is about
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'confirmed', 'dead')),
    deliveries   integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp(), -- when it may be delivered, for the next time
    sent_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at   timestamptz,              -- confirmed, or given up
    reason       text                      -- why it is dead, or what the last delivery was refused for
);

CREATE INDEX messages_to_deliver ON messages (recipient, seq) WHERE status = 'open';
CREATE INDEX messages_in_order ON messages (conversation, recipient, place) WHERE status = 'open';
CREATE INDEX messages_of_conversation ON messages (conversation, place);
CREATE INDEX messages_dead ON messages (settled_at) WHERE status = 'dead';
CREATE INDEX messages_about ON messages USING gin (datasets);
