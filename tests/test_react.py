"""Reasoning in a loop: what ends it, what a model may do, and how the analyzer tells a circle from a straight run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, ModelError
from core.llm import Llm
from core.store import Database
from graphs.gallery import draw
from graphs.react import Action, Analysis, ModelReasoner, ReAct, Situation, Step, Thought, Tool, analyze
from graphs.react.action import Arguments, Conclusion
from graphs.react.analyzer import slope
from graphs.react.workflow import MOST_STEPS
from tests.model import ScriptedModel

LOOKS = [action for action in Action if action is not Action.FINAL_RESULT]


class About(Arguments):
    """What is looked at."""

    name: str


def look(arguments: About, known: Any) -> dict[str, Any]:
    """Each thing has one fact, except what is not there, and what never changes."""
    if arguments.name == "gone":
        raise InputError("gone is not there.")
    return {f"{arguments.name}.size": len(arguments.name), "sky": "blue"}


TOOLS = {action: Tool(action, f"Look at it by {action}.", About, look) for action in LOOKS}
TOOLS[Action.FINAL_RESULT] = Tool(Action.FINAL_RESULT, "Conclude.", Conclusion, lambda arguments, known: {})


class Scripted:
    """A reasoner that does what it is told, move by move, and concludes in the end, or whenever it has to."""

    name = "scripted"

    def __init__(self, *names: str, fails: bool = False) -> None:
        self.names = names
        self.fails = fails
        self.seen: list[Situation] = []

    def think(self, situation: Situation) -> Thought:
        self.seen.append(situation)
        if self.fails:
            raise ModelError("m", "is down")
        number = len(situation.steps)
        if number < len(self.names) and Action.VALIDATE_DATA in situation.allowed:
            about = {"name": self.names[number]}
            return Thought(thought="next", action=Action.VALIDATE_DATA, arguments=about)
        given = {"conclusion": "done", "evidence": ["sky", "made.up"]}
        return Thought(thought="enough", action=Action.FINAL_RESULT, arguments=given)


def test_a_loop_ends_with_its_conclusion_and_measures_each_step(database: Database) -> None:
    """What is new of the facts, and what of the evidence is a fact."""
    told: list[tuple[Step, Analysis]] = []
    loop = ReAct(TOOLS, Scripted("a", "bb", "a", "gone"), listener=lambda *step: told.append(step))
    found = loop.run("why?", url=database.url, thread="t-1")
    assert [step.quality for step in found.steps] == [1.0, 0.5, 0.0, 0.0, 0.5]
    assert found.steps[3].error == "gone is not there."
    assert found.facts == {"a.size": 1, "bb.size": 2, "sky": "blue"}
    assert found.conclusion["conclusion"] == "done"
    assert [step for step, _ in told] == list(found.steps)
    # It has ended: asked again, it is returned, and no step is taken.
    assert ReAct(TOOLS, Scripted(fails=True)).run("why?", url=database.url, thread="t-1") == found


def test_the_last_of_eight_steps_can_only_conclude(database: Database) -> None:
    rules = Scripted(*"abcdefghijk")
    found = ReAct(TOOLS, rules).run("why?", url=database.url, thread="t-1")
    assert len(found.steps) == MOST_STEPS == 8
    assert found.steps[-1].action == Action.FINAL_RESULT
    assert rules.seen[-1].allowed == (Action.FINAL_RESULT,)


def test_a_loop_whose_process_died_goes_on_where_it_was(database: Database) -> None:
    """Killed while a tool looked: what was observed before is not looked at again."""
    calls: list[str] = []

    def dying(arguments: About, known: Any) -> dict[str, Any]:
        calls.append(arguments.name)
        if calls == ["a", "b"]:
            raise KeyboardInterrupt
        return look(arguments, known)

    tools = TOOLS | {Action.VALIDATE_DATA: Tool(Action.VALIDATE_DATA, "Look.", About, dying)}
    with pytest.raises(KeyboardInterrupt):
        ReAct(tools, Scripted("a", "b", "c")).run("why?", url=database.url, thread="t-1")
    found = ReAct(tools, Scripted("a", "b", "c")).run("why?", url=database.url, thread="t-1")
    assert calls == ["a", "b", "b", "c"]
    assert [step.number for step in found.steps] == [1, 2, 3, 4]


def test_a_circle_closes_its_moves_and_the_rules_choose_instead(database: Database) -> None:
    """The analyzer sees it after the third step; a model that goes round is not listened to."""
    going_round, rules = Scripted(*"aaaaaaaa"), Scripted("x", "y", "z", "u", "v")
    going_round.name = "model"
    found = ReAct(TOOLS, rules, model=going_round).run("why?", url=database.url, thread="t-1")
    chosen = [(step.reasoner, step.arguments.get("name")) for step in found.steps]
    assert chosen[:5] == [("model", "a")] * 3 + [("scripted", "u"), ("scripted", "v")]
    assert "which is closed" in found.steps[3].notes[0]
    assert going_round.seen[3].barred == ('validate_data({"name": "a"})',)
    assert "Do something else" in going_round.seen[3].advice[0]


def test_rules_that_go_round_themselves_are_brought_to_an_end(database: Database) -> None:
    found = ReAct(TOOLS, Scripted(*"aaaaaaaa")).run("why?", url=database.url, thread="t-1")
    assert len(found.steps) == 4
    assert "went round in a circle" in found.conclusion["conclusion"]


def asking(model: ScriptedModel) -> ModelReasoner:
    return ModelReasoner(Llm("scripted", "none", model.url), TOOLS, timeout_s=10)


def test_a_model_reasons_with_the_tools_and_concludes(database: Database, model: ScriptedModel) -> None:
    model.calls("analyze_schema", name="a").calls("final_result", conclusion="It is small.", evidence=["a.size"])
    found = ReAct(TOOLS, Scripted(fails=True), model=asking(model)).run("why?", url=database.url, thread="t-1")
    assert [(step.reasoner, step.quality) for step in found.steps] == [("model", 1.0), ("model", 1.0)]
    assert found.conclusion["conclusion"] == "It is small."
    offered = [tool["function"]["name"] for tool in model.requests[0]["tools"]]
    assert offered == [str(action) for action in TOOLS]
    assert '"a.size": 1' in model.requests[1]["messages"][1]["content"]


def test_what_a_model_says_that_is_of_no_use_is_noted_and_the_rules_choose(
    database: Database, model: ScriptedModel
) -> None:
    """A text instead of a call, an action that there is none, arguments that are none, no answer at all, and a
    conclusion that rests on nothing."""
    model.says("Let me think.").calls_unknown("rm_rf", path="/").calls_amiss("validate_data", {"nam": "a"})
    model.calls_amiss("validate_data", '{"name": ').calls("final_result", conclusion="So it is.", evidence=["moon"])
    found = ReAct(TOOLS, Scripted(*"abcde"), model=asking(model), most_steps=6)
    steps = found.run("why?", url=database.url, thread="t-1").steps
    told = [(step.reasoner, step.notes[0]) for step in steps[:5]]
    assert [who for who, _ in told] == ["scripted"] * 5
    noted = ("called no action", "called 'rm_rf', which is not open", "arguments that are none", "", "from nothing")
    for (_, note), words in zip(told, noted, strict=True):
        assert words in note
    model.problems.clear()


moves = st.lists(st.sampled_from("abcdefgh"), max_size=10)


def steps_of(names: list[str]) -> list[Step]:
    about = [{"name": name} for name in names]
    return [
        Step(number=n, thought="", action=Action.VALIDATE_DATA, arguments=a, quality=1.0, reasoner="x")
        for n, a in enumerate(about, start=1)
    ]


@given(st.lists(st.sampled_from("abcdefghijklmnop"), unique=True))
def test_no_straight_run_is_a_circle(names: list[str]) -> None:
    """Whatever its length: to do each thing once is to go on, though it be the same action each time."""
    found = analyze(steps_of(names))
    assert found.circle == ()
    assert found.straightness == found.progress == found.overall == 1.0


@given(moves, st.lists(st.sampled_from("xy"), min_size=4, max_size=8))
def test_every_planted_circle_is_found(before: list[str], around: list[str]) -> None:
    """Of one move or two, wherever it begins."""
    assert set(analyze(steps_of([*before, *around])).circle) == {
        f'validate_data({{"name": "{name}"}})' for name in around[-4:]
    }


@given(moves)
def test_what_is_called_a_circle_is_one(names: list[str]) -> None:
    """The last four steps, at most two different moves in three or more of them."""
    last = names[-4:]
    assert bool(analyze(steps_of(names)).circle) == (len(last) >= 3 and len(set(last)) <= 2)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(-1, 1))
def test_the_trend_is_the_slope_of_quality(values: list[float], per_step: float) -> None:
    line = [0.5 + per_step * number for number in range(len(values))]
    assert slope(line) == pytest.approx(per_step)
    assert slope(values[::-1]) == pytest.approx(-slope(values), abs=1e-9)


def test_the_graph_is_drawn() -> None:
    drawn = draw("react")
    assert all(node in drawn for node in ("reason", "act", "review"))
