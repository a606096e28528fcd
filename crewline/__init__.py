"""Crewline: teams of agents run data pipelines in which every row is accounted for.

    import crewline

    report = crewline.run("pipeline.yaml")
    print(report.status, report.records)

`run` starts a pipeline, `resume` goes on with one that was interrupted, `status` lists runs, `audit` proves a run's
account from its files. `crawl` fills the catalog of datasets, `discover` finds them there, `annotate` says what their
sources do not.
"""

from crewline.facade import annotate, audit, crawl, discover, resume, run, status

__all__ = ["annotate", "audit", "crawl", "discover", "resume", "run", "status"]
