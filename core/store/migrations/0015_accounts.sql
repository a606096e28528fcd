-- The account of the operating system under which a request was decided: beside the name, which is taken at its word.

ALTER TABLE approvals ADD COLUMN account text; -- such as `ada@host`; null where the system knows none, or nobody decided
