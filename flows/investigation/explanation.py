"""What the facts explain, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.investigation.case import Case


def explained(case: Case, facts: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Sentences, each with the names of the facts that it rests on; the first says what happened to the run."""
    found = [_happened(case, facts)]
    for source in case.spec.sources:
        found += _of_source(source, facts)
    for name, told in facts.items():
        dataset, _, check = name.partition(".")
        if isinstance(told, dict) and "of" in told and dataset in case.spec.sources and told.get("rows"):
            found.append((_of_check(dataset, check, told), [name]))
    found += [
        (f"{violation.dataset} as a whole fails {violation.check}: {violation.observed}.", ["failed_checks"])
        for violation in case.violations
        if violation.of_whole
    ]
    for name, what in (("replans", "What failed was planned anew"), ("replans.refused", "It was not planned anew")):
        if facts.get(name):
            found.append((f"{what}: {'; '.join(line.rstrip('.') for line in facts[name])}.", [name]))
    found += _of_gate(facts)
    return found


def _happened(case: Case, facts: Mapping[str, Any]) -> tuple[str, list[str]]:
    run = case.history.run
    if case.failures:
        key, failure = next(iter(case.failures.items()))
        more = f", and {len(case.failures) - 1} more" if len(case.failures) > 1 else ""
        return f"Task {key} failed{more}: {failure.message}", ["failures"]
    if run.error and run.status == "failed":
        return f"It stopped: {run.error}", ["error"]
    if case.detoured:
        course = ", then ".join(route for route, _ in case.history.passages())
        return f"The gate sent it to {course}.", ["gate.course"]
    return f"It is {run.status}, and took no detour.", ["gate.course"]


def _of_source(source: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    def told(name: str) -> Any:
        return facts.get(f"{source}.{name}")

    if told("files") == 0:
        near = told("near")
        beside = f"; there are {', '.join(near)}" if near else ", and nothing nearby is called so"
        yield f"No file of {source} is there{beside}.", [f"{source}.files", f"{source}.near"]
    for name in ("delimiter", "encoding"):
        found = told(name)
        if found and found["declared"] != found["found"]:
            words = f"The {name} of {source} is {found['found']!r}, and the spec says {found['declared']!r}."
            yield words, [f"{source}.{name}"]
    if told("missing"):
        renamed = {**(told("renamed_in_some") or {}), **(told("renamed") or {})}
        for old in told("missing"):
            now = f"it is called {renamed[old]} now" if old in renamed else f"new there: {told('new') or 'nothing'}"
            yield f"{source} has no column {old}; {now}.", [f"{source}.missing", f"{source}.new"]


def _of_check(dataset: str, check: str, told: Mapping[str, Any]) -> str:
    values = ", ".join(repr(value) for value, _ in told.get("values", ())[:4])
    such = f", such as {values}" if values else ""
    if told.get("looked_up_in"):
        return _of_join(dataset, told, such)
    share = told["rows"] / told["of"] if told["of"] else 0.0
    verb = "are held back by the rule" if told.get("rule") else "fail"
    words = f"{told['rows']:,} of {told['of']:,} rows of {dataset} ({share:.1%}) {verb} {check}"
    if told.get("keys_twice"):
        words += f": {told['keys_twice']:,} keys stand more than once, {told['copies']:,} of them copies of one row"
    else:
        words += such
    if "left" in told and told["left"] < told["rows"]:
        words += f"; repair mended {told['rows'] - told['left']:,} of them"
    elif told.get("recorded", 0) > told["rows"] and "left" not in told:
        # Where a run repairs at once, cells without a meaning have lost their value before the checks are made.
        words += f"; with those that repair left so, the gate counted {told['recorded']:,}"
    elif told.get("misspelt_rows"):
        words += f"; {told['misspelt_rows']:,} rows have an accepted value misspelt, which repair mends"
    return words + "."


def _of_join(dataset: str, told: Mapping[str, Any], such: str) -> str:
    rows, other = max(told["rows"], told.get("recorded", 0)), told["looked_up_in"]
    share = rows / told["of"] if told["of"] else 0.0
    words = f"{rows:,} of {told['of']:,} rows of {dataset} ({share:.1%}) find nothing in {other}{such}"
    if rows > told["rows"]:
        words += (
            f"; to {rows - told['rows']:,} of them belong rows of {other} that left it before, for faults of their own"
        )
    if told.get("alike"):
        words += f"; {told['alike']['share']:.1%} would find theirs {told['alike']['told']}"
    if "left" in told and told["left"] < rows:
        words += f"; after repair it was {told['left']:,}"
    return words + "."


def _of_gate(facts: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for missed in facts.get("gate.missed", ()):
        words = f"The {missed['what']} was {missed['reached']:.4f}, and {missed['needed']:.4f} was needed."
        yield words, ["gate.missed"]


def unproposed(case: Case, facts: Mapping[str, Any]) -> str:
    """Why no change of the spec is proposed, and what to do instead."""
    if case.document is None:
        return "The run has no document that could be changed: make the changes where its spec is made."
    run = case.history.run
    if run.status == "interrupted":
        return f"It was interrupted, and nothing is wrong with it: crewline resume {run.run_id}"
    if not case.error and not case.failures and not case.detoured:
        return "There is nothing to explain, and nothing to change."
    told = [line for name, fact in facts.items() if (line := _of_cells(name.partition(".")[2], fact))]
    for source in case.spec.sources:
        renamed = facts.get(f"{source}.renamed") or {}
        if gone := [column for column in facts.get(f"{source}.missing") or () if column not in renamed]:
            told.append(
                f"{source} lacks {', '.join(gone)}, and nothing tells for certain what took the place: bring it as it"
                f" was, and go on with crewline resume {run.run_id}; or write in the spec what is so now."
            )
    if any(violation.of_whole for violation in case.violations):
        told.append("What is missing from a dataset as a whole no row can make up for: bring it, or correct the check.")
    if any(failure.error in _OF_RULES for failure in case.failures.values()):
        told.append("A rule meets rows that it cannot be carried out on: write it so that it can; how, nothing tells.")
    if any(failure.kind != "permanent" for failure in case.failures.values()):
        told.append(
            f"What failed may go through another time: give the machine more room; crewline resume {run.run_id}"
        )
    if run.status == "published":
        told.append("What could be repaired was, and the rest is in quarantine: the spec does what it should.")
    if run.status == "waiting":
        told.append("It waits for a person to decide: crewline approvals")
    if run.status == "failed" and facts.get("gate.missed"):
        told.append("The gate is missed by too much to lower it in good conscience.")
    if not told and case.error:
        told.append(f"What stopped it lies outside of the spec: put it right, and go on: crewline resume {run.run_id}")
    return " ".join(dict.fromkeys(told)) or "The facts speak for no change of the spec."


_OF_RULES = ("RuleError", "DataError", "CheckError", "ExpressionError", "EngineError")


def _of_cells(check: str, fact: Any) -> str:
    """Why the rows that fail a check are no fault of the spec."""
    if not isinstance(fact, dict) or not fact.get("rows") or fact.get("left") == 0:
        return ""
    if fact.get("looked_up_in"):
        return (
            f"The rows that find nothing need theirs in {fact['looked_up_in']}: bring them; or keep rows without by"
            " `missing: keep`, if they may be so."
        )
    if (fact.get("notations") or {}).get("unclear"):
        return f"Whether the day or the month comes first in what fails {check}, no cell shows."
    if check.startswith("foreign_key"):
        return f"The rows that fail {check} refer to what is not there: bring it, or correct them."
    if fact.get("keys_twice"):
        return f"Which of the rows with one key is right ({check}), the data alone does not tell."
    if "left" in fact:
        return f"What still fails {check}, {fact['left']:,} rows, is wrong beyond what evidence could repair."
    return f"The cells that fail {check} are wrong: nothing tells what they should be."
