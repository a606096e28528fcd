-- Graphs have runs too: the same lease, ledger and journal, another end.

ALTER TABLE runs ADD COLUMN kind text NOT NULL DEFAULT 'pipeline' CHECK (kind IN ('pipeline', 'graph'));

ALTER TABLE runs DROP CONSTRAINT runs_status_check;
ALTER TABLE runs ADD CONSTRAINT runs_status_check
    CHECK (status IN ('created', 'running', 'interrupted', 'waiting', 'failed', 'published', 'done'));
