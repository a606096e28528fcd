-- What agents failed at, attempt by attempt: the ledger keeps the last one of a step alone.
CREATE INDEX journal_of_failures ON journal (actor, seq DESC) WHERE kind = 'step.failed';
DROP INDEX steps_failed_of_agent;
