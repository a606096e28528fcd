-- Decisions are on record outside of runs too: an agent that uses a tool by itself works on none.

ALTER TABLE journal ALTER run_id DROP NOT NULL;

CREATE INDEX journal_of_no_run ON journal (seq) WHERE run_id IS NULL;
