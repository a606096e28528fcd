"""Investigations: what rules find out about runs that failed or took a detour, and what they change about it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from typer.testing import CliRunner

import crewline
from core import journal
from core.errors import CrewlineError, InputError, OutOfMemory, SpecChanged
from core.run import newest
from core.settings import settings
from core.spec import loads
from core.spec.document import yaml_values
from core.store import Database
from crewline.cli import app
from crews import AGENTS
from flows.investigation import served
from flows.investigation.edit import Edit, edited_text, edited_values
from flows.investigation.investigation import Investigation
from tests.model import ScriptedModel

SPEC = """
# The pipeline of the shop's orders.
name: shop
sources:
  orders:  # as the shop sends them
    kind: csv
    path: orders.csv
    columns: {id: string, day: date, status: string, amount: integer}
validation:
  orders:
    - {check: unique, columns: [id]}  # one order, one row
    - {check: in_set, column: status, values: [new, sent]}
    - {check: not_null, column: amount}
    - {check: expression, expression: "amount >= 0 or status = 'new'"}
target: {path: out}
"""

HEADER = "id,day,status,amount"


def order(n: int) -> str:
    return f"o{n},2025-01-{n % 28 + 1:02},{'new' if n % 2 else 'sent'},{n}"


def sent(
    folder: Path,
    line: Callable[[int], str] = order,
    *,
    header: str = HEADER,
    name: str = "orders.csv",
    encoding: str = "utf-8",
) -> None:
    (folder / name).write_text("\n".join([header, *map(line, range(40))]) + "\n", encoding=encoding)


def looked_into(folder: Path, database: Database, *, spec: str = SPEC) -> Investigation:
    """Run the pipeline, which does not go straight to its target, and look into that."""
    document = folder / "shop.yaml"
    document.write_text(spec)
    with suppress(CrewlineError):
        crewline.run(document)
    return crewline.investigate(newest(database, 1)[0].run_id)


def changed_lines(found: Investigation) -> list[str]:
    return [line for line in found.diff.splitlines()[2:] if line.startswith(("-", "+"))]


CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "delimiter and a column's name": (
        {
            "line": lambda n: order(n).replace(",", ";"),
            "header": HEADER.replace(",", ";").replace("amount", "order_amount"),
        },
        [
            "-    columns: {id: string, day: date, status: string, amount: integer}",
            "+    columns: {id: string, day: date, status: string, order_amount: integer}",
            '+    delimiter: ";"',
            "-    - {check: not_null, column: amount}",
            """-    - {check: expression, expression: "amount >= 0 or status = 'new'"}""",
            "+    - {check: not_null, column: order_amount}",
            """+    - {check: expression, expression: "order_amount >= 0 or status = 'new'"}""",
            "+transformation:",
            "+  orders:",
            "+    - {rule: rename, columns: {order_amount: amount}}",
        ],
        [
            "The delimiter of orders is ';', and the spec says ','.",
            "orders has no column amount; it is called order_amount now.",
        ],
    ),
    "a file's name": (
        {"name": "orders-1.csv"},
        ["-    path: orders.csv", "+    path: orders-1.csv"],
        ["No file of orders is there; there are orders-1.csv."],
    ),
    "how dates are written, a type, a category": (
        {
            "line": lambda n: (
                order(n).replace(f"2025-01-{n % 28 + 1:02}", f"{n % 28 + 1:02}.01.2025") + ".5"
                if n % 3
                else order(n).replace("new", "returned")
            )
        },
        [
            "-    columns: {id: string, day: date, status: string, amount: integer}",
            '+    columns: {id: string, day: string, status: string, amount: "decimal(18,2)"}',
            "-    - {check: in_set, column: status, values: [new, sent]}",
            "+    - {check: in_set, column: status, values: [new, sent, returned]}",
            "+transformation:",
            "+  orders:",
            '+    - {rule: parse_dates, columns: [day], formats: ["%d.%m.%Y", "%Y-%m-%d"]}',
        ],
        [
            "26 of 40 rows of orders (65.0%) fail type(day), such as '02.01.2025'",
            "fail type(amount), such as '1.5'",
            "7 of 40 rows of orders (17.5%) fail in_set(status), such as 'returned'",
        ],
    ),
    "an encoding": (
        {"line": lambda n: order(n).replace(f"o{n},", f"ö{n},") if n % 2 else order(n), "encoding": "latin-1"},
        ["+    encoding: latin-1"],
        ["The encoding of orders is 'latin-1', and the spec says 'utf-8'."],
    ),
    "a key": (
        {"line": lambda n: order(n).replace(f"o{n},", f"o{n // 4},")},
        [
            "-    - {check: unique, columns: [id]}  # one order, one row",
            "+    - {check: unique, columns: [id, day]}  # one order, one row",
        ],
        ["10 keys stand more than once, 0 of them copies of one row"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rules_explain_the_run_and_propose_the_change_that_publishes(
    case: str, database: Database, tmp_path: Path
) -> None:
    """Each with a diff of the lines that change alone, comments kept; tried before it is proposed."""
    files, lines, words = CASES[case]
    sent(tmp_path, **files)
    found = looked_into(tmp_path, database)
    for sentence in words:
        assert sentence in found.conclusion
    assert changed_lines(found) == lines
    assert "With the change, the gate would say publish" in found.conclusion
    assert found.steps[-1].quality == 1.0
    assert len(found.steps) <= 8
    assert not found.analysis.circle


RULES = """
name: shop
sources:
  orders: {kind: csv, path: orders.csv, columns: {id: string, day: string, status: string, amount: string}}
  states: {kind: csv, path: states.csv, columns: {status: string, open: boolean}}
transformation:
  orders:
    # As the shop writes them.
    - {rule: parse_dates, columns: [day], formats: ["%d.%m.%Y"]}
    - {rule: cast, columns: {amount: integer}}
enrichment: {orders: [{rule: join, dataset: states, on: {status: status}, columns: [open]}]}
target: {path: out, dataset: orders}
"""


def test_rules_that_the_data_defeats_and_keys_that_are_spelled_otherwise_are_mended(
    database: Database, tmp_path: Path
) -> None:
    """New rules stand before the comment of the first; what was written stays, and the changed document publishes."""
    sent(
        tmp_path,
        lambda n: (
            f"o{n},{f'{n % 28 + 1:02}.01.2025' if n % 3 else f'2025/01/{n % 28 + 1:02}'},{'New' if n % 2 else 'SENT'},"
            f"{n if n % 4 else f'({n}.50)'}"
        ),
    )
    (tmp_path / "states.csv").write_text("status,open\nnew,true\nsent,false\n")
    found = looked_into(tmp_path, database, spec=RULES)
    for sentence in (
        "14 of 40 rows of orders (35.0%) are held back by the rule parse_dates(day), such as '2025/01/01'",
        "6 of 40 rows of orders (15.0%) are held back by the rule cast(amount), such as '(16.50)'",
        "100.0% would find theirs by their letters, and 0.0% as they are written",
        "With the change, the gate would say publish",
    ):
        assert sentence in found.conclusion
    assert changed_lines(found) == [
        "+    - {rule: case, columns: [status], to: lower}",
        "+    - {rule: trim, columns: [amount]}",
        '+    - {rule: replace, columns: [amount], pattern: "^\\\\(([^()]+)\\\\)$", by: "-\\\\1"}',
        '-    - {rule: parse_dates, columns: [day], formats: ["%d.%m.%Y"]}',
        "-    - {rule: cast, columns: {amount: integer}}",
        '+    - {rule: parse_dates, columns: [day], formats: ["%d.%m.%Y", "%Y/%m/%d"]}',
        '+    - {rule: cast, columns: {amount: "decimal(18,2)"}}',
    ]
    crewline.investigate(found.run_id, apply=True)
    assert "# As the shop writes them.\n    - {rule: parse_dates" in (tmp_path / "shop.yaml").read_text()
    assert crewline.run(tmp_path / "shop.yaml").records.quarantined == 0


def test_where_some_files_call_a_column_otherwise_the_voters_are_to_map_it(database: Database, tmp_path: Path) -> None:
    """The applied change lets the same run of files through, whichever way they call it."""
    sent(tmp_path, name="orders-1.csv")
    sent(tmp_path, lambda n: order(n + 40), name="orders-2.csv", header=HEADER.replace("status", "Status"))
    found = looked_into(tmp_path, database, spec=SPEC.replace("orders.csv", "orders-*.csv"))
    assert changed_lines(found) == ["+    on_schema_change: consensus"]
    crewline.investigate(found.run_id, apply=True)
    assert crewline.run(tmp_path / "shop.yaml").records.out == 80


def test_an_applied_change_is_in_the_document_and_publishes(database: Database, tmp_path: Path) -> None:
    """Only the proposed lines change; the run's journal tells of it, though nobody works on the run."""
    sent(tmp_path, header=HEADER.replace("amount", "order_amount"))
    found = looked_into(tmp_path, database)
    document = tmp_path / "shop.yaml"
    applied = CliRunner().invoke(app, ["investigate", found.run_id, "--apply"])
    assert applied.exit_code == 0, applied.stderr
    assert f"Written to {document}" in applied.stdout
    text = document.read_text()
    assert "# one order, one row" in text
    assert loads(text).sources["orders"].columns["order_amount"].type == "integer"
    assert crewline.run(document).status == "published"
    kinds = [event.kind for event in journal.events(database, found.run_id, kind="investigation.")]
    steps = ["investigation.step"] * len(found.steps)
    assert kinds == [*steps, "investigation.concluded", *steps, "investigation.concluded", "investigation.applied"]
    with pytest.raises(SpecChanged, match=r"sources.orders.columns"):
        crewline.investigate(found.run_id, apply=True)
    again = crewline.investigate(found.run_id)
    assert again.diff == ""
    assert "The document has changed since the run began" in again.unproposed


def test_where_the_data_is_at_fault_no_change_is_proposed_and_it_says_so(database: Database, tmp_path: Path) -> None:
    """Missing amounts, and keys that nothing is known of, are no fault of the spec."""
    spec = SPEC.replace(
        "validation:", "  products: {kind: csv, path: products.csv, columns: {name: string}}\nvalidation:"
    )
    spec = spec.replace("validation:\n  orders:\n", "validation:\n  orders:\n    - {check: row_count, min: 100}\n")
    spec += "enrichment: {orders: [{rule: join, dataset: products, on: {status: name}, columns: [name]}]}\n"
    sent(tmp_path, lambda n: order(n).replace(f",{n}", ",") if n % 4 == 0 else order(n))
    (tmp_path / "products.csv").write_text("name\nsent\n")
    found = looked_into(tmp_path, database, spec=spec)
    assert "10 of 40 rows of orders (25.0%) fail not_null(amount)" in found.conclusion
    assert "20 of 40 rows of orders (50.0%) find nothing in products, such as 'new'" in found.conclusion
    assert (found.changes, found.diff) == ((), "")
    assert "orders as a whole fails row_count: 40 rows." in found.conclusion
    assert "need theirs in products: bring them" in found.unproposed
    assert "no row can make up for" in found.unproposed
    with pytest.raises(InputError, match=r"Nothing is to be applied"):
        crewline.investigate(found.run_id, apply=True)


def test_a_column_of_which_nothing_tells_what_took_its_place_is_for_a_person(
    database: Database, tmp_path: Path
) -> None:
    sent(tmp_path, lambda n: order(n).rpartition(",")[0], header="id,day,status")
    found = looked_into(tmp_path, database)
    assert (found.changes, found.diff) == ((), "")
    assert "orders has no column amount; new there: nothing." in found.conclusion
    assert found.unproposed.startswith("orders lacks amount, and nothing tells for certain what took the place")


def test_what_is_missed_by_a_little_is_told_from_what_is_missed_by_far(database: Database, tmp_path: Path) -> None:
    """A gate that asks for a hair more than the data can give; one cell in forty is missing."""
    sent(tmp_path, lambda n: order(n).replace(",7", ",") if n == 7 else order(n))
    spec = SPEC + "gate: {publish: 0.995, enhancements: 0, retries: 0}  # strict\n"
    found = looked_into(tmp_path, database, spec=spec)
    assert changed_lines(found) == [
        "-gate: {publish: 0.995, enhancements: 0, retries: 0}  # strict",
        "+gate: {publish: 0.991, enhancements: 0, retries: 0}  # strict",
    ]
    assert "The mean quality was 0.9917, and 0.9950 was needed." in found.conclusion


def test_an_expression_that_names_no_column_is_corrected_where_one_is_called_almost_so(
    database: Database, tmp_path: Path
) -> None:
    sent(tmp_path)
    spec = SPEC + "transformation: {orders: [{rule: derive, columns: {twice: 2 * amonut}}]}\n"
    found = looked_into(tmp_path, database, spec=spec)
    assert changed_lines(found) == [
        "-transformation: {orders: [{rule: derive, columns: {twice: 2 * amonut}}]}",
        '+transformation: {orders: [{rule: derive, columns: {twice: "2 * amount"}}]}',
    ]


def test_what_cannot_be_looked_into_is_said(database: Database, run_id: str) -> None:
    with pytest.raises(InputError, match="There is no run 'nobody'"):
        crewline.investigate("nobody")
    done = CliRunner().invoke(app, ["investigate", run_id, "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["diff"] == ""


def test_where_a_run_repairs_at_once_what_the_gate_counted_is_told_beside_what_came(
    tmp_path: Path, database: Database
) -> None:
    """Cells that only say that there is no value have lost it by then."""
    cells = {7: "", 8: "n/a", 9: "n/a"}
    sent(tmp_path, lambda n: order(n).rpartition(",")[0] + f",{cells.get(n, n)}")
    learned = looked_into(tmp_path, database, spec=SPEC + "gate: {enhance: 0.5, max_critical: 5, publish: 0.999}\n")
    assert "2 of 40 rows of orders (5.0%) fail type(amount)" in learned.conclusion
    found = looked_into(tmp_path, database, spec=SPEC + "gate: {enhance: 0.5, max_critical: 5, approval: true}\n")
    assert "1 of 40 rows of orders (2.5%) fail not_null(amount)" in found.conclusion
    assert "with those that repair left so, the gate counted 3" in found.conclusion


def test_a_model_chooses_the_steps_and_proposes_only_what_the_facts_speak_for(
    database: Database, tmp_path: Path, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of its own making is none; a conclusion is worth what of its evidence was observed."""
    sent(tmp_path, header=HEADER.replace("amount", "order_amount"))
    run_id = looked_into(tmp_path, database).run_id
    monkeypatch.setenv("CREWLINE_LLM_MODEL", "scripted")
    monkeypatch.setenv("OPENAI_BASE_URL", model.url)
    settings.cache_clear()
    model.calls("analyze_schema", source="orders")
    ending = {"conclusion": "It was renamed.", "evidence": ["orders.renamed", "the moon"]}
    model.calls("final_result", **ending, changes=["column amount of orders"])
    found = crewline.investigate(run_id)
    assert [step.reasoner for step in found.steps] == ["model", "model"]
    assert (found.conclusion, found.evidence, found.steps[-1].quality) == ("It was renamed.", ("orders.renamed",), 0.5)
    assert "+    - {rule: rename, columns: {order_amount: amount}}" in found.diff
    model.calls("analyze_schema", source="orders").calls("final_result", **ending, changes=["rm -rf /"])
    made_up = crewline.investigate(run_id)
    assert made_up.diff == ""
    assert "Nothing speaks for a change 'rm -rf /'" in made_up.unproposed


def test_the_loop_is_served_for_the_run_that_the_configuration_names(database: Database, tmp_path: Path) -> None:
    """As LangGraph's own servers run it: with their checkpointer, and a goal for all input."""
    sent(tmp_path, name="orders-1.csv")
    run_id = looked_into(tmp_path, database).run_id

    async def reasoned() -> dict[str, Any]:
        graph = (await served.react({"configurable": {"run_id": run_id}})).copy(
            update={"checkpointer": InMemorySaver()}
        )
        return dict(await graph.ainvoke({"goal": "Why?"}, {"configurable": {"thread_id": "t-1"}}))

    try:
        values = asyncio.run(reasoned())
    finally:
        served._database().close()
        served._database.cache_clear()
    assert "there are orders-1.csv" in values["steps"][-1]["arguments"]["conclusion"]
    nodes = asyncio.run(served.react({})).get_graph().nodes
    assert {"reason", "act", "review"} <= set(nodes)


def test_where_memory_was_too_little_more_and_smaller_tasks_are_proposed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(engine: Any, task: Any, work: Any) -> Any:
        raise OutOfMemory("The engine needs more than its 64 MB.")

    sent(tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(AGENTS, "validation_agent", replace(AGENTS["validation_agent"], act=starved))
        document = tmp_path / "shop.yaml"
        document.write_text(SPEC + "gate: {retries: 0}\n")
        run_id = crewline.run(document).run_id
    found = crewline.investigate(run_id)
    assert "Task validation/orders/0 failed: The engine needs more than its 64 MB." in found.conclusion
    assert changed_lines(found) == ["+complexity: standard"]


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029", exclude_categories=["Cc", "Cs"]), min_size=1
)
places = st.sampled_from(
    [
        ("sources", "orders", "path"),
        ("sources", "orders", "delimiter"),
        ("gate", "publish"),
        ("sources", "orders", "columns", "amount"),
        ("validation", "orders", 1, "column"),
    ]
)
lists = st.sampled_from([("validation", "orders"), ("validation", "orders", 1, "values"), ("transformation", "orders")])
edits = st.one_of(
    st.builds(lambda place, value: Edit(kind="set", place=place, value=value), places, words | st.integers()),
    st.builds(
        lambda kind, place, value: Edit(kind=kind, place=place, value=value),
        st.sampled_from(["append", "prepend"]),
        lists,
        words | st.dictionaries(words, words, min_size=1, max_size=2),
    ),
    st.builds(
        lambda name: Edit(kind="rename", place=("sources", "orders", "columns", "id"), value=name),
        words.filter(lambda name: name not in ("day", "status", "amount")),
    ),
)


@given(st.lists(edits, max_size=4))
def test_edits_of_the_text_are_edits_of_its_values_and_touch_no_other_line(made: list[Edit]) -> None:
    """Whatever the values are, and whether what they are put into is there."""
    renames = [edit for edit in made if edit.kind == "rename"]
    made = [edit for edit in made if edit.kind != "rename"] + renames[:1]
    text = edited_text(SPEC, made)
    assert yaml_values(text, "text") == edited_values(yaml_values(SPEC, "text"), made)
    assert edited_text(SPEC.replace("\n", "\r\n"), made) == text.replace("\n", "\r\n")
    for comment in ("# The pipeline of the shop's orders.", "# as the shop sends them", "# one order, one row"):
        assert comment in text
