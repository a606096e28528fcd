"""What specialists make of the built-in workers by what they were told (see crews.dynamic.parameters)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from core.task import Outcome
from graphs.branch import Branch
from graphs.parallel.merge import weight
from graphs.worker import Answer, Attempt, Result

Perform = Callable[[Branch, Attempt], Answer]

# As workers note that there is more than they may look at; and how much they can be allowed.
_MORE = "were not looked at"
_SOURCES = 25

# Digits that managers get of a number.
_DIGITS = 3


def research(perform: Perform, told: Mapping[str, Any]) -> Perform:
    """Looks at as many sources as it may, as deep as it may, and checks what they declare, if it was told to.

    Where what it finds is worth less than it should be, and there are more, it looks at twice as many the next time.
    """

    def work(branch: Branch, attempt: Attempt) -> Answer:
        bound = "max_results" if branch.kind == "discovery" else "max_datasets"
        more: dict[str, Any] = {"rows": told["depth"] == "rows"} if branch.kind == "research.technical" else {}
        for go in range(told["iterations"]):
            more[bound] = min(_SOURCES, told["sources"] * 2**go)
            answer = perform(_with(branch, more), attempt)
            if not isinstance(answer, Result) or not _worth_another_go(answer, told) or bound in branch.payload:
                break
        if not isinstance(answer, Result) or not told["fact_checking"]:
            return answer
        return replace(answer, notes=(*answer.notes, *_contradictions(answer.values)))

    return work


def analysis(perform: Perform, told: Mapping[str, Any]) -> Perform:
    """Tells of its findings what it was told to, with the confidence that it was; draws the trends if it should."""

    def work(branch: Branch, attempt: Attempt) -> Answer:
        answer = perform(_with(branch, {"confidence": told["confidence"]}), attempt)
        if not isinstance(answer, Result):
            return answer
        values = dict(answer.values)
        if told["charts"] and (periods := values.get("periods")):
            path = attempt.path / "trends.vl.json"
            path.write_text(json.dumps(_chart(values["time"], periods)), encoding="utf-8")
            values["charts"] = [str(path)]
        left_out = () if told["statistics"] else ("summaries",)
        if told["methodology"] == "descriptive":
            left_out = (*left_out, "correlations", "pairs", "trends", "trends_tested")
        return replace(answer, values={name: value for name, value in values.items() if name not in left_out})

    return work


def synthesis(needed: Mapping[str, Outcome], told: Mapping[str, Any]) -> Result:
    """What the branches before found, as statements with the branch that each is cited from, the weightiest first.

    Its quality is the mean of theirs, by weight; None if none measured it.
    """
    found = {key: o for key, o in needed.items() if o.status == "done" and o.result}
    ranked = sorted(found, key=lambda key: (-weight(found[key]), key))
    statements = [
        {"name": name, "value": _shown(value, told["audience"]), "from": key, "by": found[key].agent}
        for key in ranked
        for name, value in (found[key].result or {}).items()
        if isinstance(value, (str, int, float, bool))
    ]
    left_out = max(0, len(statements) - told["length"])
    kept = statements[: told["length"]]
    if not told["citations"]:
        kept = [{"name": statement["name"], "value": statement["value"]} for statement in kept]
    values: dict[str, Any] = {"statements": kept, "left_out": left_out, "sources": ranked}
    if told["style"] == "text":
        values["text"] = " ".join(map(_sentence, kept))
    return Result(values, worth(found))


def worth(done: Mapping[str, Outcome]) -> float | None:
    """The mean of what outcomes are worth, by weight; None if none measured it."""
    measured = [(weight(outcome), outcome.quality) for outcome in done.values() if outcome.quality is not None]
    return sum(w * q for w, q in measured) / sum(w for w, _ in measured) if measured else None


def _worth_another_go(found: Result, told: Mapping[str, Any]) -> bool:
    poor = found.quality is not None and found.quality < told["quality"]
    return poor and any(_MORE in note for note in found.notes)


def _with(branch: Branch, more: Mapping[str, Any]) -> Branch:
    """The branch with these fields in its payload, where it does not have them itself."""
    return branch.model_copy(update={"payload": {**more, **branch.payload}})


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Keys that sources declare, and that their rows, all of which were looked at, do not bear out."""
    notes = []
    for dataset in values.get("datasets", []):
        declared = [dataset.get("primary_key") or [], *dataset.get("unique_keys", [])]
        measured = [list(key) for key in dataset.get("measured_keys") or []]
        notes += [
            f"{dataset['name']}: {key[0]} is declared a key, and does not tell its rows apart"
            for key in declared
            # Of pairs, only some are measured.
            if len(key) == 1 and dataset.get("whole") and list(key) not in measured
        ]
    return notes


def _chart(time: str, periods: list[dict[str, Any]]) -> dict[str, Any]:
    """Vega-Lite of the means of columns, period by period."""
    rows = [{"time": p["start"], "column": name, "mean": mean} for p in periods for name, mean in p["means"].items()]
    axes = {"x": {"field": "time", "type": "temporal", "title": time}, "y": {"field": "mean", "type": "quantitative"}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "mark": "line",
        "encoding": {**axes, "color": {"field": "column", "type": "nominal"}},
    }


def _shown(value: Any, audience: str) -> Any:
    if audience == "managers" and isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value


def _sentence(statement: Mapping[str, Any]) -> str:
    cited = f" ({statement['from']})" if "from" in statement else ""
    return f"{str(statement['name']).replace('_', ' ').capitalize()} is {statement['value']}{cited}."
