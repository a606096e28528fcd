"""The rules' way of looking into a case: where the record points, then what a change would do, then a conclusion."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.investigation.case import Case
from flows.investigation.explanation import explained
from flows.investigation.proposals import proposals
from graphs.react import Action, Situation, Thought
from graphs.react.step import move

# So many sources and checks are looked at, that a loop of eight steps has room for its end.
MOST_SOURCES, MOST_CHECKS = 2, 3


class RuleReasoner:
    """Looks at the suspect sources, the checks that most rows fail, the gate, and tries what the facts speak for."""

    name = "rules"

    def __init__(self, case: Case) -> None:
        self._case = case

    def think(self, situation: Situation) -> Thought:
        """The first thing on the agenda that was not done; a conclusion when nothing is left, or allowed."""
        closed = situation.done | set(situation.barred)
        for thought in self._agenda(situation.facts):
            fits = thought.action in situation.allowed
            if fits and move(thought.action, thought.arguments) not in closed:
                return thought
        return concluded(self._case, situation.facts)

    def _agenda(self, facts: Mapping[str, Any]) -> Iterator[Thought]:
        case = self._case
        for source in case.suspects[:MOST_SOURCES]:
            why = f"{source} may not be what the spec says."
            yield Thought(thought=why, action=Action.ANALYZE_SCHEMA, arguments={"source": source})
        for violation in [v for v in case.violations if v.check != "readable" and not v.of_whole][:MOST_CHECKS]:
            why = f"{violation.rows or 0:,} rows of {violation.dataset} failed {violation.check}."
            arguments = {"dataset": violation.dataset, "check": violation.check}
            yield Thought(thought=why, action=Action.VALIDATE_DATA, arguments=arguments)
        yield Thought(thought="Where did the gate send it?", action=Action.ROUTE_PIPELINE, arguments={})
        changes = [change.id for change in proposals(case, facts)]
        if changes:
            why = "The facts speak for a change: what would come of it?"
            yield Thought(thought=why, action=Action.TRANSFORM_DATA, arguments={"changes": changes})


def concluded(case: Case, facts: Mapping[str, Any]) -> Thought:
    """The conclusion that the facts bear, with the changes that they speak for, where a trial shows that they help."""
    sentences = explained(case, facts)
    changes = proposals(case, facts)
    words = " ".join(sentence for sentence, _ in sentences)
    evidence = [name for _, names in sentences for name in names]
    trial = facts.get("trial")
    if trial and helps(case, trial):
        evidence += ["trial", *(name for change in changes for name in change.because)]
        words += f" With the change, the gate would say {trial['route']}: {trial['reason']}."
    elif trial:
        evidence.append("trial")
        words += f" To {'; '.join(change.words for change in changes)} would not help: {trial['reason']}."
        changes = []
    return Thought(
        thought="The facts explain it as far as rules can tell.",
        action=Action.FINAL_RESULT,
        arguments={
            "conclusion": words,
            "evidence": [name for name in dict.fromkeys(evidence) if name in facts],
            "changes": [change.id for change in changes],
        },
    )


def helps(case: Case, trial: Mapping[str, Any]) -> bool:
    """Whether a trial came further than the run did at its first passage: fewer tasks failed, or a better quality."""
    verdict = case.history.first_verdict()
    if verdict is None:
        return not trial["failed"]
    if len(trial["failed"]) != verdict["failed"]:
        return len(trial["failed"]) < int(verdict["failed"])
    before, after = verdict["quality"]["overall"], trial["quality"]["overall"]
    return trial["route"] == "publish" or (after or 0.0) > (before or 0.0)
