"""Crewline: teams of agents run data pipelines in which every row is accounted for.

    import crewline

    report = crewline.run("pipeline.yaml")
    print(report.status, report.records)

`run` starts a pipeline, `resume` goes on with one that was interrupted, `status` lists runs, `audit` proves a run's
account from its files, `check` says what a file is worth, `replay` brings back what a run quarantined.
"""

from crewline.facade import audit, check, replay, resume, run, status

__all__ = ["audit", "check", "replay", "resume", "run", "status"]
