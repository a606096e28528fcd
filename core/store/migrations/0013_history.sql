-- What an agent failed at last: with steps_of_agent, what it is measured by.
CREATE INDEX steps_failed_of_agent ON steps ((outcome ->> 'agent'), finished_at DESC)
    WHERE status = 'failed' AND outcome ->> 'agent' IS NOT NULL;
