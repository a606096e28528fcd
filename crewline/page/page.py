"""The page of a run as a file: written whole, or not at all."""

import base64
import hashlib
import os
from collections import Counter
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel

from core.errors import InputError
from core.settings import settings
from core.store.database import Database
from crewline.page import wording
from crewline.page.flow import flow
from crewline.page.record import Record, gathered
from crewline.page.timeline import timeline


class Page(BaseModel):
    """A page that was written: of which run, where, and how large it is, in bytes."""

    run_id: str
    path: str
    bytes: int


def write_page(database: Database, run_id: str, out: str | Path | None = None) -> Page:
    """Write the page of a run to `out`, by default `RUN.html` in the current folder; a file there is replaced.

    Raises RunNotFound; InputError where the file cannot be written.
    """
    path = Path(out or f"{run_id}.html")
    record = gathered(database, run_id, settings())
    # No text has halves of surrogate pairs that `wording.shown` has seen; ids and paths can.
    content = render(record).encode("utf-8", errors="backslashreplace")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"The page cannot be written to {path}: {error.strerror}.", remedy="Give another file: --out FILE"
        ) from error
    return Page(run_id=run_id, path=str(path), bytes=len(content))


def render(record: Record) -> str:
    """The page as HTML."""
    script = _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            record=record,
            style=Markup(_asset("page.css")),
            script=Markup(script),
            script_hash=_hash(script),
            sections=_sections(record),
            timeline=timeline(record.course, record.history.wait, record.now),
            flow=flow(record.streams),
            next_step=_next_step(record),
            thresholds={str(name): share for name, share in record.spec.gate.thresholds.items()} if record.spec else {},
            plan=record.history.plan,
            graph_facts=_graph_facts(record),
        )
    )


def _sections(record: Record) -> list[tuple[str, str, bool]]:
    """The page's sections in order: name of the template, heading, and whether there is anything to tell."""
    return [
        ("summary", "Summary", True),
        ("course", "Course through the gate" if record.spec else "Course", bool(record.stops)),
        ("timeline", "Timeline", bool(record.course.attempts)),
        ("rows", "Where the rows went", any(stream.legs for stream in record.streams)),
        ("quality", "Quality before and after", bool(record.columns or record.violations)),
        ("quarantine", "Rows that left, and repairs", record.departures is not None),
        ("teams", "Teams and delegations", record.delegations.any),
        ("plan", "Plan and replans", bool(record.history.plan or record.plans)),
        ("investigation", "Investigation", record.investigation is not None),
        ("lineage", "Lineage", record.lineage is not None),
        ("journal", "Journal", True),
    ]


def _next_step(record: Record) -> str:
    """What there is to do about the run, in a sentence."""
    run = record.run
    if run.status == "running" and record.live:
        return "It is being worked on. This page shows how far it has come."
    words = {
        "running": f"Its process is gone. Go on with: crewline resume {run.run_id}",
        "created": f"Nobody works on it yet. Begin with: crewline resume {run.run_id}",
        "interrupted": f"Nothing is lost. Go on with: crewline resume {run.run_id}",
        "waiting": f"It waits for a person: crewline approvals; once that is decided: crewline resume {run.run_id}",
        "failed": f"Why, and what to change: crewline investigate {run.run_id}",
        "published": f"It is published. Proof of the account: crewline audit {run.run_id}",
        "done": "It has ended, and all of it is done.",
    }
    if run.kind == "graph" and run.status in ("waiting", "failed"):
        return f"What it asks, and what failed: crewline status {run.run_id}"
    return words[run.status]


def _graph_facts(record: Record) -> list[tuple[str, str]]:
    """What a graph's run came to, and its steps by their ends."""
    if record.run.kind != "graph":
        return []
    came_to = [("came to", wording.plain(record.run.report["status"]))] if record.run.report else []
    states = Counter(step.status for step in record.history.steps.values())
    return [*came_to, ("steps", ", ".join(f"{wording.count(n)} {status}" for status, n in states.items()) or "none")]


def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What the page's policy knows its one script by: no other runs, whatever gets into the page."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crewline.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (
        wording.shown,
        wording.brief,
        wording.count,
        wording.percent,
        wording.span,
        wording.moment,
        wording.lines,
        wording.worded,
    )
    environment.filters.update({function.__name__: function for function in words})
    return environment
