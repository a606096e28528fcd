"""Runs that wait for a person: nothing is published before, nothing else than what was seen, and nothing if denied."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import crewline
from core import journal
from core import run as runs
from core.errors import ApprovalClosed, AwaitingApproval, CrewlineError, Interrupted, Refused
from core.holder import account
from core.report import RunReport
from core.settings import Settings
from core.stop import Stop
from core.store import Database
from core.task import Stage, Task
from crewline.cli import app
from delegation import Approval, Assignment, StageAssigner
from delegation.approvals import ask, decide, requests, require
from flows.pipeline import DataPipelineFlow
from tests import child
from tests.deadline import until

SPEC = """
name: small
sources: {o: {kind: csv, path: o.csv, columns: {n: integer}}}
validation: {o: [{check: not_null, column: n, severity: minor}]}
target: {path: out}
"""
ALWAYS = "gate: {approval: true, approvers: [Ada, Ben]}\n"


def build(folder: Path, gate: str = ALWAYS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "o.csv").write_text("n\n1\n2\n3\n")
    (folder / "small.yaml").write_text(SPEC + gate)
    return folder / "small.yaml"


@pytest.fixture
def document(tmp_path: Path, configuration: Settings) -> Path:
    return build(tmp_path / "p")


def run(document: Path, database: Database) -> RunReport:
    return DataPipelineFlow(document, database=database).kickoff()


def resume(report: RunReport, database: Database, **options: Any) -> RunReport:
    return DataPipelineFlow(run_id=report.run_id, database=database, **options).kickoff()


def pending(database: Database) -> Approval:
    (found,) = requests(database)
    return found


def is_published(document: Path) -> bool:
    return (document.parent / "out").exists()


def why(database: Database, report: RunReport) -> str:
    """The reason of the gate's last decision."""
    told = journal.events(database, report.run_id, kind="step.committed")
    return [str(event.data["reason"]) for event in told if event.actor == "gate"][-1]


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_a_faultless_run_waits_where_the_spec_asks_for_approval_and_publishes_once_approved(
    document: Path, database: Database
) -> None:
    report = run(document, database)
    assert (report.status, report.route) == ("waiting", "wait")
    assert not is_published(document)
    asked = pending(database)
    assert (asked.run_id, asked.subject, asked.path) == (report.run_id, f"publish {report.run_id}", ("Ada", "Ben"))
    assert (asked.seen["rows"], asked.seen["target"]) == (3, str(document.parent / "out"))
    assert asked.approval in why(database, report)
    assert resume(report, database).status == "waiting"
    assert pending(database) == asked
    decide(database, asked.approval, approved=True, by="Ada", reason="looks good")
    assert resume(report, database).status == "published"
    assert "approved by Ada: looks good" in why(database, report)
    decided = journal.events(database, report.run_id, kind="approval.approved")
    assert [(event.actor, event.data["seen"]) for event in decided] == [("Ada", asked.seen)]
    assert crewline.audit(report.run_id).balanced


def test_a_denied_run_fails_and_stays_denied(document: Path, database: Database) -> None:
    """Also for who comes later and would approve of the same."""
    report = run(document, database)
    decide(database, pending(database).approval, approved=False, by="Ben", reason="wrong month")
    assert resume(report, database).status == "failed"
    assert "denied by Ben: wrong month" in why(database, report)
    assert resume(report, database, approved_by="Ada").status == "failed"
    assert not is_published(document)
    assert requests(database) == []


def test_a_run_on_which_nobody_decided_in_time_fails_and_asks_again_when_resumed(
    document: Path, database: Database
) -> None:
    report = run(document, database)
    first = pending(database)
    database.transaction(lambda c: c.execute("UPDATE approvals SET due_at = now() - interval '10 days'"))
    assert resume(report, database).status == "failed"
    assert f"request {first.approval} ran out of time" in why(database, report)
    assert resume(report, database).status == "waiting"
    assert pending(database).approval != first.approval
    assert not is_published(document)


def test_a_changed_spec_voids_the_approval(document: Path, database: Database) -> None:
    """Approved was the publication under the old one."""
    report = run(document, database)
    first = pending(database)
    decide(database, first.approval, approved=True, by="Ada", reason="so")
    document.write_text(SPEC + ALWAYS + "sla: {latency_s: 1000}\n")
    assert resume(report, database, compatible=True).status == "waiting"
    assert pending(database).approval != first.approval
    assert [a.status for a in requests(database, closed=True)] == ["void", "pending"]


def spoil(database: Database) -> None:
    """Change the result from outside, in every run."""
    sql = "SELECT outcome -> 'output' ->> 'paths' AS paths FROM steps WHERE step_key = 'validation/o/0'"
    for row in database.query(sql):
        file = Path(json.loads(row["paths"])[0])
        right = pq.read_table(file)
        pq.write_table(right.set_column(right.schema.get_field_index("n"), "n", pa.array([7] * 3, pa.int64())), file)


def test_files_that_were_changed_after_the_approval_are_not_published(document: Path, database: Database) -> None:
    """Before the gate looks again, that voids the approval; after it the publication is refused."""
    early, late = run(document, database), run(document, database)
    asked = {request.run_id: request.approval for request in requests(database)}
    for approval in asked.values():
        decide(database, approval, approved=True, by="Ada", reason="so")

    def after_the_gate(event: journal.Event) -> None:
        if event.actor == "gate" and event.kind == "step.committed":
            spoil(database)

    with pytest.raises(Refused, match=f"what request {asked[late.run_id]} approved is no longer what would be"):
        resume(late, database, listener=after_the_gate)
    assert resume(early, database).status == "waiting"
    assert pending(database).run_id == early.run_id
    assert not is_published(document)


def test_a_name_given_with_the_resume_files_and_decides_in_one_go(document: Path, database: Database) -> None:
    """Also where the spec would have the run fail; the journal has the decision like any other."""
    report = run(document, database)
    assert resume(report, database, approved_by="Ada").status == "published"
    kinds = [event.kind for event in journal.events(database, report.run_id, kind="approval.")]
    assert kinds == ["approval.requested", "approval.approved"]


@pytest.mark.parametrize(
    ("gate", "path"),
    [
        ("gate: {approval: true}\n", ("data_engineering_lead", "data_architect")),
        (
            "gate: {approval: true}\ngovernance: {owner: Cleo}\n",
            ("Cleo", "data_engineering_lead", "data_architect"),
        ),
        ("gate: {approval: true, approvers: [Dan]}\ngovernance: {owner: Cleo}\n", ("Dan",)),
    ],
)
def test_who_is_asked_is_named_by_the_gate_or_the_owner_or_the_leads(
    tmp_path: Path, database: Database, gate: str, path: tuple[str, ...]
) -> None:
    run(build(tmp_path / "p", gate), database)
    assert pending(database).path == path


@pytest.mark.parametrize(
    ("place", "when"), [("gate/0", "before"), ("gate/0", "after"), ("gate/1", "after"), ("publish", "before")]
)
def test_a_run_killed_around_its_approval_asks_once_and_publishes_once(
    document: Path, database: Database, place: str, when: str
) -> None:
    """SIGKILL at the commits around: the request stands, the decision stands."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("CREWLINE_")}
    first = place == "gate/0"
    kill_at = [f"step.commit.{when} {place}"]
    process = child.start(environment, spec=document, kill_at=kill_at if first else ())
    process.join(60)
    assert process.exitcode == (-signal.SIGKILL if first else 3)
    (found,) = runs.newest(database)
    if first:
        report = DataPipelineFlow(run_id=found.run_id, database=database).kickoff()
        assert report.status == "waiting"
    decide(database, pending(database).approval, approved=True, by="Ada", reason="so")
    if not first:
        process = child.start(environment, run_id=found.run_id, kill_at=kill_at)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    assert DataPipelineFlow(run_id=found.run_id, database=database).kickoff().status == "published"
    assert [a.status for a in requests(database, closed=True)] == ["approved"]
    published = journal.events(database, found.run_id, kind="step.committed")
    assert sum(event.step == "publish" for event in published) == 1


def test_who_waits_with_the_run_goes_on_by_itself(document: Path, database: Database) -> None:
    """Approved it is published; denied it fails."""
    for approved, status in ((True, "published"), (False, "failed")):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(crewline.run, document, wait=True)
            until(lambda: requests(database))
            crewline_decide = crewline.approve if approved else crewline.deny
            crewline_decide(crewline.approvals()[0].approval, by="Ada", reason="so")
            assert waiting.result(timeout=30).status == status


def test_the_commands_list_approve_and_deny(document: Path) -> None:
    """By exit codes: 3 while it waits, 2 for what cannot be decided, 0 or 1 as it was decided."""
    waiting = call("run", str(document), "--json")
    assert waiting.exit_code == 3
    run_id = json.loads(waiting.stdout)["run_id"]
    assert "gate: wait, as " in waiting.stderr
    assert call("resume", run_id).exit_code == 3
    (listed,) = json.loads(call("approvals", "--json").stdout)["approvals"]
    identity = listed["approval"]
    shown = call("approvals").stdout
    for word in (identity, run_id, "waits for Ada until", "because", "rows"):
        assert word in shown
    assert call("approve", identity, "--by", "Ada").exit_code == 2
    nameless = call("approve", identity, "--by", " ", "--reason", "so")
    assert (nameless.exit_code, "is no name of who decides" in nameless.stderr) == (2, True)
    decided = call("approve", identity, "--by", "Ada", "--reason", "so", "--json")
    assert (decided.exit_code, json.loads(decided.stdout)["status"]) == (0, "approved")
    twice = call("deny", identity, "--by", "Ben", "--reason", "no")
    assert (twice.exit_code, "was approved by Ada: so" in twice.stderr) == (2, True)
    unknown = call("deny", "ap-0", "--by", "Ben", "--reason", "no")
    assert (unknown.exit_code, "no request for approval 'ap-0'" in unknown.stderr) == (2, True)
    assert "Nothing waits" in call("approvals").stdout
    assert "was approved by Ada: so" in call("approvals", "--all").stdout
    assert call("resume", run_id).exit_code == 0
    second = json.loads(call("run", str(document), "--json").stdout)["run_id"]
    (listed,) = json.loads(call("approvals", "--json").stdout)["approvals"]
    assert "was denied by Ben" in call("deny", listed["approval"], "--by", "Ben", "--reason", "no").stdout
    assert call("resume", second).exit_code == 1


def test_who_waits_with_the_run_can_be_stopped_and_loses_nothing(document: Path, database: Database) -> None:
    """The run still waits, and nothing is published."""
    stop = Stop()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(crewline.run, document, wait=True, stop=stop)
        until(lambda: [run.status for run in runs.newest(database)] == ["waiting"])
        stop.request("a test")
        with pytest.raises(Interrupted, match="a test"):
            waiting.result(timeout=30)
    assert runs.newest(database)[0].status == "waiting"
    assert pending(database)
    assert not is_published(document)


class Cautious:
    """Gives tasks to agents only once somebody has approved of that."""

    def __init__(self, database: Database, subject: str = "hand over the tasks", timeout_s: float = 60) -> None:
        self._database = database
        self._request = {"reason": "a rule", "asked_by": "manager", "path": ["Ada"], "timeout_s": timeout_s}
        self._subject = subject

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        given = StageAssigner().assign(tasks, agents)
        seen = {assignment.task: assignment.agent for assignment in given}
        require(self._database, self._subject, seen=seen, **self._request)
        return given


@pytest.mark.parametrize("approved", [True, False])
def test_a_run_waits_wherever_a_step_requires_an_approval_and_goes_on_from_there(
    tmp_path: Path, database: Database, approved: bool
) -> None:
    """Such as a delegation; what was done before is not done again, and denied it fails."""
    document = build(tmp_path / "p", "")
    cautious = Cautious(database)
    with pytest.raises(AwaitingApproval, match=r"To hand over the tasks needs approval: request ap-.* waits for Ada"):
        DataPipelineFlow(document, database=database, assigner=cautious).kickoff()
    (waiting,) = runs.newest(database)
    assert (waiting.status, waiting.holder, waiting.finished_at) == ("waiting", None, None)
    assert "waits for Ada" in str(waiting.error)
    with pytest.raises(AwaitingApproval):
        DataPipelineFlow(run_id=waiting.run_id, database=database, assigner=cautious).kickoff()
    decide(database, pending(database).approval, approved=approved, by="Ada", reason="so")
    again = DataPipelineFlow(run_id=waiting.run_id, database=database, assigner=cautious)
    if approved:
        assert again.kickoff().status == "published"
        plans = journal.events(database, waiting.run_id, kind="step.started")
        assert [event.step for event in plans].count("plan") == 1
        return
    with pytest.raises(Refused, match="was denied by Ada: so"):
        again.kickoff()
    assert runs.newest(database)[0].status == "failed"


def test_the_command_tells_of_such_a_run_what_it_waits_for_and_waits_with_it_if_asked(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3, and the id to decide on; with the wait it is published by itself, or fails closed in time."""
    document = build(tmp_path / "p", "")
    monkeypatch.setattr("flows.assignment.assigner_for", lambda *_: Cautious(database))
    first = call("run", str(document))
    asked = pending(database)
    assert (first.exit_code, f"crewline approve {asked.approval}" in first.stderr) == (3, True)
    assert "Go on with: crewline resume small-" in first.stderr
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(crewline.resume, runs.newest(database)[0].run_id, wait=True)
        until(lambda: len(journal.events(database, runs.newest(database)[0].run_id, kind="run.waiting")) == 2)
        crewline.approve(asked.approval, by="Ada", reason="so")
        assert waiting.result(timeout=30).status == "published"
    monkeypatch.setattr("flows.assignment.assigner_for", lambda *_: Cautious(database, "another", 0.2))
    with pytest.raises(ApprovalClosed, match="ran out of time"):
        crewline.run(document, wait=True)
    assert runs.newest(database)[0].status == "waiting"


@pytest.mark.parametrize(
    ("gate", "place"),
    [
        ("gate: {approval: perhaps}\n", "gate.approval"),
        ("gate: {approval: true, approvers: ['']}\n", "gate.approvers.0"),
        ("gate: {approval: true, approval_timeout_s: 0}\n", "gate.approval_timeout_s"),
        ("gate: {approval: true, approval_timeout_s: .inf}\n", "gate.approval_timeout_s"),
    ],
)
def test_a_gate_that_asks_for_the_impossible_is_refused_by_place(tmp_path: Path, gate: str, place: str) -> None:
    with pytest.raises(CrewlineError, match=place):
        crewline.run(build(tmp_path / "p", gate))


def test_what_would_colour_or_hide_on_a_terminal_is_shown_as_it_is_written(database: Database) -> None:
    """Who decides sees what was asked for, whatever is in it."""
    asked = ask(
        database, "delete", seen={"rows\x1b[8m": "3\x1b[2J\u202e"}, reason="so\rno", asked_by="gate", path=["Ada"]
    )
    shown = call("approvals").output
    assert [word in shown for word in (r"rows\x1b[8m", r"3\x1b[2J\u202e", r"so\rno")] == [True] * 3
    done = call("deny", asked.approval, "--by", "Ada", "--reason", "a\x1b[1A")
    assert r"was denied by Ada: a\x1b[1A" in done.output
    assert not {"\x1b", "\r", "\u202e"} & set(shown + done.output + call("approvals", "--all").output)
    assert f"account {account()}" in " ".join(call("approvals", "--all").output.split())
