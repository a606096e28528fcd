"""Crewline: teams of agents run data pipelines in which every row is accounted for.

    import crewline

    report = crewline.run("pipeline.yaml")
    print(report.status, report.records)

`run` starts a pipeline, `resume` goes on with one that was interrupted, `status` lists runs, `audit` proves a run's
account from its files, `replay` brings back what a run quarantined. `history` lists the checkpoints of a run, `fork`
makes another that goes on from one, `prune` removes them. `pipelines` tells how all pipelines do, `optimize`
what to change about one, `lineage` where data comes from and goes to; `send_lineage` tells OpenLineage of it. `crawl`
puts the datasets of sources into the catalog, `discover` finds them there, `annotate` says what sources do not say.
`check` says what a file is worth, `clean` repairs one by the evidence in it, `profile` tells what it holds, and
`suggest_checks` what checks that teaches. `approvals` lists what waits for a person, who answers by `approve` and
`deny`; `monitor` tells once of what calls for attention. `form_team` says who is best for a task, and why. `agents`
lists the agents that are registered, and `assemble` makes a pipeline of them. `report` writes all that is on record of
a run as an HTML page, `investigate` explains why one failed or took a detour, and what to change. `plan` makes a
pipeline of a goal in words. `experience` tells what runs taught those after them.
"""

from crewline.facade.agents import agents, assemble
from crewline.facade.approvals import approvals, approve, deny
from crewline.facade.catalog import annotate, crawl, discover
from crewline.facade.experience import experience
from crewline.facade.files import check, clean, profile, suggest_checks
from crewline.facade.graphs import fork, history, prune
from crewline.facade.investigation import investigate
from crewline.facade.monitor import monitor
from crewline.facade.orchestration import lineage, optimize, pipelines, send_lineage
from crewline.facade.page import report
from crewline.facade.planning import plan
from crewline.facade.runs import audit, replay, resume, run, status
from crewline.facade.teams import form_team

__all__ = [
    "agents",
    "annotate",
    "approvals",
    "approve",
    "assemble",
    "audit",
    "check",
    "clean",
    "crawl",
    "deny",
    "discover",
    "experience",
    "fork",
    "form_team",
    "history",
    "investigate",
    "lineage",
    "monitor",
    "optimize",
    "pipelines",
    "plan",
    "profile",
    "prune",
    "replay",
    "report",
    "resume",
    "run",
    "send_lineage",
    "status",
    "suggest_checks",
]
