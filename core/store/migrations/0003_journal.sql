-- Decisions are on record outside of runs too: an agent that uses a tool by itself works on none.

ALTER TABLE journal ALTER run_id DROP NOT NULL;

CREATE INDEX journal_of_no_run ON journal (seq) WHERE run_id IS NULL;

-- What was told stays told: a run with a journal cannot be removed either.

DROP TRIGGER journal_is_append_only ON journal;

CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();

CREATE TRIGGER journal_is_not_emptied BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
