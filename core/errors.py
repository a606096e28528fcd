"""Every error that Crewline raises on purpose.

CrewlineError
├── InputError                 what was given cannot be worked with; nothing was changed
│   ├── SpecError              the pipeline document is wrong; names each place in it
│   ├── SourceError            a source is missing, empty, or not what the spec says
│   ├── TargetError            the target cannot be written
│   ├── SchemaError            a result is not of the schema declared for it; names each mismatch
│   ├── ExpressionError        an expression is not of the allowed language
│   ├── DomainError            a planning domain, or what is asked of it, is wrong
│   ├── GoalError              a goal names nothing that there is, or something that there is not
│   │   └── AmbiguousGoal      a goal can be read in several ways, and nobody said which
│   ├── Unsolvable             there is no plan; names the preconditions that nothing achieves
│   ├── Unbounded              no plan was found within the bounds; names tasks that come back to themselves
│   ├── RunNotFound            no run has this id
│   ├── RunHeld                another living process works on the run
│   ├── RunFinished            the run has ended and cannot be resumed
│   ├── SpecChanged            the spec is no longer the one that the run was started with
│   ├── ApprovalNotFound       no request for approval has this id
│   └── ApprovalClosed         the request was decided, ran out of time, or is void: it cannot be decided any more
├── Refused                    what was asked is outside of the agent's authority; nothing was changed
│   └── AtCapacity             the agent has as many tasks as it may have at a time
├── StoreUnavailable           PostgreSQL cannot be reached
├── WorkError                  the machine could not do the work: a full disk, a lost engine
│   └── OutOfMemory            too little memory, even with spilling
├── EngineError                the engine cannot do what was asked, with these rows or with any
│   └── DataError              a value has no room in its type, or is none of it
├── TimedOut                   work took longer than it was given, and nobody waits for it any more
├── CircuitOpen                what failed again and again is left alone for a while
├── BudgetSpent                crews have used what their run may spend on a model
├── ModelError                 a language model is down, or answered what is no answer; rules go on
├── StateError                 what a graph was to keep is no plain JSON; names whose it is
├── Interrupted                the run was asked to stop; it can be resumed
├── AwaitingApproval           a person must decide before the run goes on; it can be resumed
├── LeaseLost                  another process has taken the run over; what this one writes is refused
├── AccountingError            rows do not add up; a defect, never the user's fault
├── RuleError                  a rule cannot be carried out on this data
└── CheckError                 a check cannot be made on this data
"""


class CrewlineError(Exception):
    """Base of all errors raised on purpose. The text names the thing, the place and the way out.

    `remedy` is the way out alone, `resumable` says whether the run that met the error can go on by `crewline resume`.
    """

    resumable = False

    def __init__(self, what: str, *, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} {remedy}".strip())


def first_line(error: BaseException) -> str:
    """What a library's error says first, to be told within a sentence: what follows is often a trace of its own."""
    return str(error).strip().split("\n")[0].rstrip(".")


class InputError(CrewlineError):
    """What was given cannot be worked with. Nothing was changed."""


class SpecError(InputError):
    """The pipeline document is wrong. `problems` has one line for each place in it."""

    def __init__(self, document: str, problems: list[str], *, remedy: str = "") -> None:
        self.document = document
        self.problems = problems
        super().__init__(f"{document}: " + "; ".join(problems), remedy=remedy)


class SourceError(InputError):
    """A source is missing, empty, or not what the spec says."""

    resumable = True

    def __init__(self, source: str, what: str, *, remedy: str = "") -> None:
        self.source = source
        super().__init__(f"Source '{source}': {what}", remedy=remedy)


class TargetError(InputError):
    """The target cannot be written, or what stands there was not published by Crewline."""

    resumable = True


class SchemaError(InputError):
    """A result is not of the schema declared for it. `mismatches` has one line for each difference."""

    def __init__(self, mismatches: list[str]) -> None:
        self.mismatches = mismatches
        super().__init__(
            "The result is not of the target schema: " + "; ".join(mismatches) + ".",
            remedy="Nothing was written. Correct the rules, or the schema.",
        )


class ExpressionError(InputError):
    """An expression is not of the allowed language."""


class DomainError(InputError):
    """A planning domain, or what is asked of it, is wrong."""


class GoalError(InputError):
    """A goal names nothing that there is, or something that there is not. `there` is what there is."""

    def __init__(self, what: str, *, there: str, remedy: str = "") -> None:
        self.there = there
        super().__init__(what, remedy=remedy or f"There are: {there}. Say which of these it is about.")


class AmbiguousGoal(GoalError):
    """A goal can be read in several ways. `readings` are these, in words, to be chosen from by their number from 1."""

    def __init__(self, goal: str, readings: list[str], *, there: str) -> None:
        self.readings = readings
        listed = "".join(f"\n  {number}. {reading}" for number, reading in enumerate(readings, start=1))
        super().__init__(
            f"The goal '{goal}' can be read in {len(readings)} ways:{listed}\n",
            there=there,
            remedy="Say which one is meant, with --reading NUMBER, or name the dataset or column.",
        )


class Unsolvable(InputError):
    """There is no plan. `unmet` has one line for each precondition that stood in the way."""

    def __init__(self, unmet: list[str], domain: str) -> None:
        self.unmet = unmet
        super().__init__(
            f"There is no plan in the domain '{domain}': {'; '.join(unmet)}.",
            remedy="Give the facts, or add an action or method that achieves them.",
        )


class Unbounded(InputError):
    """No plan was found within the bounds. `tasks` come back to themselves, one by way of the next."""

    def __init__(self, tasks: list[str], what: str) -> None:
        self.tasks = tasks
        circle = f" Endless recursion: {' -> '.join(tasks)}." if tasks else ""
        super().__init__(
            f"No plan was found: {what}.{circle}",
            remedy="Give these tasks a method that ends, or wider bounds." if tasks else "Give wider bounds.",
        )


class RunNotFound(InputError):
    """No run has this id."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"There is no run '{run_id}'.", remedy="See the runs with: crewline status")


class RunHeld(InputError):
    """Another living process works on the run."""

    def __init__(self, run_id: str, holder: str, heartbeat_age_s: float) -> None:
        self.run_id = run_id
        self.holder = holder
        super().__init__(
            f"Run {run_id} is being worked on by {holder} (last heartbeat {heartbeat_age_s:.0f} s ago).",
            remedy="Watch it with: crewline status " + run_id,
        )


class RunFinished(InputError):
    """The run has ended and cannot be resumed."""

    def __init__(self, run_id: str, status: str, *, remedy: str) -> None:
        self.run_id = run_id
        self.status = status
        super().__init__(f"Run {run_id} has ended: {status}.", remedy=remedy)


class SpecChanged(InputError):
    """The spec is no longer the one that the run was started with. `changes` has one line for each difference."""

    def __init__(self, run_id: str, changes: list[str]) -> None:
        self.run_id = run_id
        self.changes = changes
        super().__init__(
            f"The spec of run {run_id} has changed since it started: " + "; ".join(changes) + ".",
            remedy="Undo the change, start a new run, or, if the finished work stands under the new spec too, "
            f"go on with: crewline resume {run_id} --compatible",
        )


class ApprovalNotFound(InputError):
    """No request for approval has this id."""

    def __init__(self, approval_id: str) -> None:
        self.approval_id = approval_id
        super().__init__(
            f"There is no request for approval '{approval_id}'.", remedy="See them with: crewline approvals --all"
        )


class ApprovalClosed(InputError):
    """The request was decided, ran out of time, or is void: it cannot be decided any more. `status` says which."""

    def __init__(self, approval_id: str, status: str, why: str) -> None:
        self.approval_id = approval_id
        self.status = status
        super().__init__(
            f"Request {approval_id} cannot be decided any more: it {why}.",
            remedy="See what waits now with: crewline approvals",
        )


class Refused(CrewlineError):
    """What was asked is outside of the agent's authority. Nothing was changed. `reason` is the bare why."""

    def __init__(self, agent: str, reason: str, *, remedy: str) -> None:
        self.agent = agent
        self.reason = reason
        super().__init__(f"Refused to {agent}: {reason}.", remedy=remedy)


class AtCapacity(Refused):
    """The agent has as many tasks as it may have at a time."""

    def __init__(self, agent: str, capacity: int) -> None:
        self.capacity = capacity
        super().__init__(
            agent, f"it has all the tasks that it may have ({capacity})", remedy="Wait, or ask another agent."
        )


class StoreUnavailable(CrewlineError):
    """PostgreSQL cannot be reached. Committed work is safe; a run goes on from there with `crewline resume`."""

    resumable = True


class WorkError(CrewlineError):
    """The machine could not do the work: a full disk, a lost engine. Mended, the run goes on."""

    resumable = True


class OutOfMemory(WorkError):
    """Too little memory, even with spilling."""


class EngineError(CrewlineError):
    """The engine cannot do what was asked, with these rows or with any. The text is the engine's own."""


class DataError(EngineError):
    """A value has no room in its type, or is none of it."""


class TimedOut(CrewlineError):
    """Work took longer than the `seconds` it was given. Nobody waits for it any more; what it still returns is lost."""

    def __init__(self, work: str, seconds: float) -> None:
        self.work = work
        self.seconds = seconds
        super().__init__(f"{work} took longer than {seconds:g} s.", remedy="Give it more time, or less to do.")


class CircuitOpen(CrewlineError):
    """What failed again and again is left alone until `reset_s` seconds have passed."""

    def __init__(self, circuit: str, failures: int, reset_s: float) -> None:
        self.circuit = circuit
        super().__init__(
            f"The circuit of {circuit} is open, after {failures} failures in a row.",
            remedy=f"It is tried again {reset_s:g} s after the last of them.",
        )


class ModelError(CrewlineError):
    """A language model is down, or what it answered is no answer. Rules can do without it."""

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        self.reason = reason
        super().__init__(
            f"The model {model} {reason}.",
            remedy="See that OPENAI_BASE_URL and OPENAI_API_KEY are right, or unset CREWLINE_LLM_MODEL to go by rules.",
        )


class BudgetSpent(CrewlineError):
    """Crews have used what their run may spend on a model. `what` says of what nothing is left."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The run's budget of {what} is spent.", remedy="Give `crew` more of it in the pipeline.")


class StateError(CrewlineError):
    """What a graph was to keep is no plain JSON, or too much. `whose` names it, `reason` says where and why."""

    def __init__(self, whose: str, reason: str) -> None:
        self.whose = whose
        self.reason = reason
        super().__init__(
            f"{whose} {reason}.",
            remedy="Give plain JSON: text, numbers, booleans, null, lists, objects; and for data the path of a file.",
        )


class Interrupted(CrewlineError):
    """The run was asked to stop and has stopped at a safe place."""

    resumable = True


class AwaitingApproval(CrewlineError):
    """A person must decide before this goes on. A run that meets it is left waiting."""

    resumable = True

    def __init__(self, approval_id: str, subject: str, waits: str) -> None:
        self.approval_id = approval_id
        self.subject = subject
        super().__init__(
            f"To {subject} needs approval: request {approval_id} {waits}.",
            remedy=f"Decide with: crewline approve {approval_id} --by NAME --reason TEXT, or deny",
        )


class LeaseLost(CrewlineError):
    """Another process has taken the run over. What this one still writes is refused."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"Run {run_id} was taken over by another process.",
            remedy="Leave it to that one, and watch it with: crewline status " + run_id,
        )


class AccountingError(CrewlineError):
    """Rows do not add up. Nothing of the step is kept."""


class RuleError(CrewlineError):
    """A rule cannot be carried out on this data."""

    def __init__(self, dataset: str, index: int, rule: str, reason: str) -> None:
        self.dataset = dataset
        self.index = index
        self.rule = rule
        self.reason = reason
        super().__init__(f"Dataset '{dataset}', rule {index} ({rule}): {reason}")


class CheckError(CrewlineError):
    """A check cannot be made on this data: its pattern is none, or its arithmetic runs over."""

    def __init__(self, dataset: str, check: str, reason: str) -> None:
        self.dataset = dataset
        self.check = check
        self.reason = reason
        super().__init__(f"Dataset '{dataset}', check {check}: {reason}.", remedy="Correct the check.")
