"""The table of rules: what it says, what it refuses at load, and what conditions and limits make of facts."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import SpecError
from delegation.card import Authority
from delegation.rules import Condition, Finding, Resources, Rules, load_rules
from delegation.rules.condition import together
from delegation.rules.resources import misstated

RULE: dict[str, Any] = {
    "name": "one",
    "from": "stage_coordinator",
    "to": "pipeline_collaborator",
    "task_types": ["data_profiling"],
    "conditions": [{"field": "rows", "operator": ">=", "value": 100}],
    "limits": {"cpu": 2},
    "approval": False,
    "governance": False,
    "quality_validation": False,
    "monitoring": False,
    "escalates_to": ["pipeline_manager"],
}


def table(tmp_path: Path, *rules: dict[str, Any]) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"rules": list(rules)}))
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(SpecError) as raised:
        load_rules(path)
    return raised.value.problems


def test_the_default_table_is_that_of_the_design() -> None:
    """Levels, numbers and requirements of systems D1, one row each."""
    rows = [
        (
            rule.delegator.name.lower(),
            rule.delegate.name.lower(),
            rule.limits.named,
            rule.approval,
            rule.governance and rule.quality_validation,
            rule.escalates_to,
        )
        for rule in load_rules().rules
    ]
    assert rows == [
        (
            "data_architect",
            "pipeline_manager",
            {"cpu": 100, "memory": 500, "storage": 10_000, "bandwidth": 1_000},
            False,
            True,
            ("chief_data_officer",),
        ),
        (
            "pipeline_manager",
            "stage_coordinator",
            {"cpu": 50, "memory": 200, "storage": 5_000, "bandwidth": 500},
            True,
            True,
            ("data_engineering_lead", "data_architect"),
        ),
        (
            "stage_coordinator",
            "pipeline_collaborator",
            {"cpu": 20, "memory": 100, "storage": 2_000, "bandwidth": 200},
            False,
            True,
            ("pipeline_manager", "data_architect"),
        ),
        (
            "pipeline_collaborator",
            "pipeline_collaborator",
            {"cpu": 5, "memory": 20, "hours": 2},
            False,
            False,
            ("stage_coordinator",),
        ),
    ]


def test_a_table_of_ones_own_replaces_the_default_as_a_whole(tmp_path: Path) -> None:
    rules = load_rules(table(tmp_path, RULE))
    levels = (Authority.STAGE_COORDINATOR, Authority.PIPELINE_COLLABORATOR)
    assert [rule.name for rule in rules.candidates(*levels, "data_profiling")] == ["one"]
    assert rules.levels("code_review") == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"from": "boss"}, "must be one of data_processor, pipeline_collaborator"),
        ({"from": ["boss"]}, "must be one of data_processor"),
        ({"from": "data_processor"}, "hands work up, from data_processor to pipeline_collaborator"),
        ({"limits": {"cpu": -1}}, "greater than or equal to 0 (got -1)"),
        ({"limits": {"cpu": 1e12}}, "less than or equal to 1000000000"),
        ({"limits": {"gpu": 1}}, "unknown key"),
        ({"limits": {"cpu": "20"}}, "valid number"),
        ({"limits": {"cpu": True}}, "valid number"),
        ({"approval": "yes"}, "approval: "),
        ({"monitoring": 1}, "monitoring: "),
        (
            {"conditions": [{"field": "resources", "operator": "=", "value": 1}]},
            "which limits are for",
        ),
        (
            {"conditions": [{"field": "workload", "operator": ">", "value": 1}]},
            "can never hold together: workload > 1 and workload >= 0 and workload <= 1",
        ),
        ({"conditions": [{"field": "expertise_match", "operator": "=", "value": "high"}]}, "can never hold together"),
        ({"escalates_to": []}, "at least 1 item"),
        ({"approvel": True}, "did you mean 'approval'?"),
        ({"conditions": [{"field": "rows", "operator": ">=", "value": "many"}]}, "compares numbers, not text"),
        ({"conditions": [{"field": "rows", "operator": ">=", "value": [1]}]}, "needs a single value"),
        ({"conditions": [{"field": "rows", "operator": "in", "value": 1}]}, "needs a list of values"),
        ({"conditions": [{"field": "rows", "operator": "in", "value": [1, "a"]}]}, "must be of one kind"),
        ({"conditions": [{"field": "rows", "operator": "=", "value": 10**400}]}, "a number up to 1e+09"),
        ({"conditions": [{"field": "rows", "operator": "~", "value": 1}]}, "Input should be"),
        (
            {
                "conditions": [
                    {"field": "rows", "operator": ">", "value": 5},
                    {"field": "rows", "operator": "<=", "value": 5},
                ]
            },
            "can never hold together: rows > 5 and rows <= 5",
        ),
    ],
)
def test_a_rule_that_is_none_is_reported_at_load(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    (problem,) = problems(table(tmp_path, RULE | change))
    assert told in problem


def test_contradictory_rules_are_reported_at_load_with_both(tmp_path: Path) -> None:
    """At 100 to 200 rows both hold, and the one asks for approval where the other asks for none."""
    other = RULE | {
        "name": "other",
        "approval": True,
        "conditions": [{"field": "rows", "operator": "<=", "value": 200}],
        "limits": {"cpu": 3},
    }
    assert problems(table(tmp_path, RULE, other)) == [
        "rules: 'one' and 'other' contradict each other: for data_profiling both can hold,"
        " and they differ in limits, approval"
    ]


def test_rules_that_never_hold_for_one_task_do_not_contradict_each_other(tmp_path: Path) -> None:
    below = RULE | {
        "name": "below",
        "approval": True,
        "conditions": [{"field": "rows", "operator": "<", "value": 100}],
    }
    same = RULE | {"name": "same", "conditions": []}
    elsewhere = RULE | {"name": "elsewhere", "approval": True, "task_types": ["schema_mapping"]}
    other_level = RULE | {"name": "other_level", "approval": True, "from": "pipeline_manager"}
    assert len(load_rules(table(tmp_path, RULE, below, elsewhere, other_level)).rules) == 4
    assert len(load_rules(table(tmp_path, RULE, same)).rules) == 2


def test_rules_of_one_name_are_reported(tmp_path: Path) -> None:
    assert problems(table(tmp_path, RULE, RULE)) == ["rules: 2 rules are named 'one'"]


@pytest.mark.parametrize("content", ["", "- a", "rules: []", "rules: 3", "{", "rules: [null]"])
def test_a_document_that_is_no_table_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(content)
    with pytest.raises(SpecError, match=r"rules\.yaml"):
        load_rules(path)


@pytest.mark.parametrize(
    ("operator", "value", "fact", "finding"),
    [
        (">=", 0.8, 0.8, Finding.MET),
        (">=", 0.8, 0.7999999, Finding.UNMET),
        (">=", 0.8, 1, Finding.MET),
        (">", 24, 24, Finding.UNMET),
        ("<=", 24, 24, Finding.MET),
        ("<", 24, 24, Finding.UNMET),
        (">=", 0.8, "0.9", Finding.MISTYPED),
        (">=", 0.8, True, Finding.MISTYPED),
        (">=", 0.8, None, Finding.MISTYPED),
        (">=", 0.8, float("nan"), Finding.MISTYPED),
        (">=", 0.8, float("inf"), Finding.MISTYPED),
        (">=", 0.8, 10**400, Finding.MET),
        ("=", "enterprise", "enterprise", Finding.MET),
        ("=", "enterprise", "Enterprise", Finding.UNMET),
        ("!=", "enterprise", "team", Finding.MET),
        ("=", True, 1, Finding.MISTYPED),
        ("=", 1, 1.0, Finding.MET),
        ("in", ("a", "b"), "b", Finding.MET),
        ("in", ("a", "b"), "c", Finding.UNMET),
        ("not in", ("a", "b"), "c", Finding.MET),
        ("not in", ("a", "b"), 3, Finding.MISTYPED),
    ],
)
def test_a_condition_is_met_unmet_or_mistyped(operator: Any, value: Any, fact: Any, finding: Finding) -> None:
    condition = Condition(field="x", operator=operator, value=value)
    assert condition.check({"x": fact}) is finding
    assert condition.check({"y": fact}) is Finding.MISSING
    assert "x must be" in condition.demand({"x": fact})


numbers = st.integers(-3, 3) | st.sampled_from([-0.5, 0.5, 1.5])
comparisons = st.builds(
    Condition, field=st.just("x"), operator=st.sampled_from(["<", "<=", ">=", ">", "=", "!="]), value=numbers
) | st.builds(
    Condition,
    field=st.just("x"),
    operator=st.sampled_from(["in", "not in"]),
    value=st.lists(st.sampled_from("abc"), min_size=1).map(tuple),
)


@given(st.lists(comparisons, max_size=4))
def test_conditions_can_hold_together_exactly_if_some_fact_meets_them_all(conditions: list[Condition]) -> None:
    """Held against a grid that is finer than the numbers drawn."""
    facts: list[Any] = [step / 4 for step in range(-20, 21)] + list("abcd")
    meets = any(all(c.check({"x": fact}) is Finding.MET for c in conditions) for fact in facts)
    assert together(conditions) == meets


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"cpu": -1}, "cpu -1 is not between 0 and 1e+09"),
        ({"cpu": 10**400}, "cpu a number of 1329 bits is not between"),
        ({"cpu": float("nan")}, "cpu is no number: nan"),
        ({"cpu": "4"}, "cpu is no number: '4'"),
        ({"cpu": True}, "cpu is no number: True"),
        ({"gpu": 1}, "there is no resource 'gpu': there are cpu, memory, storage, bandwidth, hours"),
        ([1], "resources are a mapping of names to amounts, not [1]"),
        (None, "resources are a mapping"),
    ],
)
def test_resources_that_cannot_be_are_named(asked: Any, told: str) -> None:
    (problem,) = misstated(asked)
    assert told in problem


def test_what_rules_and_resources_are_made_of_cannot_be_changed_or_misspelt() -> None:
    with pytest.raises(ValidationError):
        Resources(cpus=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Rules(rules=())
    assert (Resources(cpu=1, memory=5) & Resources(cpu=2, hours=1)).named == {"cpu": 1, "memory": 5, "hours": 1}
