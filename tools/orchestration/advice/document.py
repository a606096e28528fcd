"""Advice on what stands in the document: the order of rules, the columns, the keys."""

from collections.abc import Iterator, Sequence

from core.spec import DropNulls, Filter, PipelineSpec, Unique
from core.spec.rule import Rule
from core.task import Stage
from tools.orchestration.advice.case import WORTH, Advice, FailedAttempt
from tools.orchestration.profile import Profile
from tools.transformation.columns import needed_after, read_by_check
from tools.transformation.expression import names


def for_filters(profile: Profile) -> Iterator[Advice]:
    """Filters whose columns are there from the start, but which come after other work."""
    spec = profile.spec
    for dataset, source in spec.sources.items():
        pristine = set(source.columns)
        before: list[tuple[Stage, Rule]] = []
        for stage, rule in _rules(spec, dataset):
            if isinstance(rule, (Filter, DropNulls)):
                label, used = _filtering(rule)
                rows, left = profile.leaving(f"{stage}/{dataset}", label)
                work = [(s, r) for s, r in before if not isinstance(r, (Filter, DropNulls))]
                if used <= pristine and work and left:
                    yield from _earlier(profile, dataset, label, (rows, left), work)
            elif rule.whole:
                # What it makes of a row depends on the rows that the filter would have removed.
                break
            else:
                pristine -= {*rule.writes(), *rule.drops()}
            before.append((stage, rule))


def _earlier(
    profile: Profile, dataset: str, label: str, counts: tuple[float, float], work: Sequence[tuple[Stage, Rule]]
) -> Iterator[Advice]:
    rows, left = counts
    saved: dict[str, float] = {}
    for stage in (Stage.TRANSFORMATION, Stage.ENRICHMENT):
        of_stage = [rule for s, rule in _rules(profile.spec, dataset) if s == stage]
        ahead = sum(s == stage for s, _ in work) / max(1, len(of_stage))
        saved[f"{stage}/{dataset}"] = left / rows * ahead * profile.work_s(f"{stage}/{dataset}")
    gain = profile.gain_s(saved)
    if gain >= WORTH * profile.run_s:
        yield Advice(
            kind="filter_earlier",
            change=f"put {label.partition(':')[2]} first in transformation.{dataset}",
            evidence={"rows": round(rows), "filtered": round(left), "rules_before": len(work)},
            gain_s=round(gain, 3),
            formula="list schedule of the first round, now less with filtered / rows saved of the rules before it; a"
            " rule takes its stage's seconds, without the shortest task on record, over the number of its rules",
            caveat="Rows that an earlier rule would have sent to quarantine are then filtered instead.",
        )


def for_columns(profile: Profile) -> Iterator[Advice]:
    """Declared columns that nothing reads."""
    spec = profile.spec
    for dataset, source in spec.sources.items():
        used = set(needed_after(spec, Stage.VALIDATION, dataset, source.columns))
        for check in spec.validation.get(dataset, ()):
            used |= {*read_by_check(check), *check.per}
        for _, _, key in spec.foreign_keys():
            if key.dataset == dataset:
                used |= set(key.on.values())
        unused = [name for name in source.columns if name not in used]
        share = len(unused) / len(source.columns)
        units = [f"{stage}/{dataset}" for stage in (Stage.INGESTION, Stage.VALIDATION)]
        gain = profile.gain_s({unit: share * profile.work_s(unit) for unit in units})
        if gain >= WORTH * profile.run_s:
            yield Advice(
                kind="unused_columns",
                change=f"leave {', '.join(unused)} out of sources.{dataset}.columns",
                evidence={"unused": unused, "declared": len(source.columns)},
                gain_s=round(gain, 3),
                formula="list schedule of the first round, now less with unused / declared saved of ingestion and"
                " validation, of whose seconds the shortest task on record is taken to be fixed",
                caveat="Columns cost unevenly. These are then not checked, and not shown of rows in quarantine.",
            )


def for_keys(spec: PipelineSpec, failed: list[FailedAttempt]) -> Iterator[Advice]:
    """Joins that failed because the other dataset's key was not unique, and is not declared to be."""
    repeated = [attempt for attempt in failed if attempt.error == "RuleError" and "more than once" in attempt.message]
    for owner, _, join in spec.joins():
        keys = tuple(join.keys())
        declared = any(
            isinstance(check, Unique) and set(check.columns) == set(keys)
            for check in spec.validation.get(join.dataset, ())
        )
        steps = [
            attempt for attempt in repeated if f"/{owner}/" in attempt.step and f"'{join.dataset}'" in attempt.message
        ]
        if steps and not declared:
            yield Advice(
                kind="key",
                change=f"add {{check: unique, columns: [{', '.join(keys)}]}} to validation.{join.dataset}",
                evidence={"failed": len(steps), "runs": sorted({attempt.run_id for attempt in steps})},
                caveat="Rows that share a key are then merged if they are copies, and quarantined if not.",
            )


def _rules(spec: PipelineSpec, dataset: str) -> list[tuple[Stage, Rule]]:
    """A dataset's rules in the order in which they are applied, each with its stage."""
    return [
        *((Stage.TRANSFORMATION, rule) for rule in spec.transformation.get(dataset, ())),
        *((Stage.ENRICHMENT, rule) for rule in spec.enrichment.get(dataset, ())),
    ]


def _filtering(rule: Filter | DropNulls) -> tuple[str, set[str]]:
    """How a rule is called where rows leave by it, and the columns that it looks at."""
    if isinstance(rule, Filter):
        return f"filtered:filter({rule.where})", names(rule.where)
    return f"filtered:drop_nulls({', '.join(rule.columns)})", set(rule.columns)
