"""What a task asks for: by whole words and their inflections, or by a model whose answer is checked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import journal
from core.errors import InputError
from core.llm import Llm
from core.store import Database
from core.task import THRESHOLDS, Dimension
from crews import Level, analyze
from crews.analysis.vocabulary import SCALE_OF, TOPIC_OF, TOPICS, inflections
from crews.skills import SKILLS
from tests.model import ScriptedModel


def asked(description: str) -> dict[str, str]:
    return {need.skill: need.level.word for need in analyze(description).needs}


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Ingest orders from an API", {"data_ingestion": "advanced"}),
        ("Extracting, collected, streams", {"data_ingestion": "advanced"}),
        ("an ETL pipeline that cleans and normalises", {"data_transformation": "expert"}),
        ("statistical models with insights", {"data_analysis": "advanced"}),
        ("profiling, auditing, monitored quality", {"data_quality": "intermediate"}),
        ("Dashboards and BI reports", {"visualization": "intermediate"}),
        ("persist it in a data lake", {"data_storage": "advanced"}),
        ("validate, then store", {"data_quality": "intermediate", "data_storage": "advanced"}),
    ],
)
def test_the_words_of_each_topic_ask_for_its_skill_at_its_level(description: str, expected: dict[str, str]) -> None:
    assert asked(description) == expected


@pytest.mark.parametrize("word", ["restore", "apiary", "mlb", "etling", "remodel", "lakeside", "big"])
def test_a_word_within_another_asks_for_nothing(word: str) -> None:
    with pytest.raises(InputError, match="No word of the description"):
        analyze(word)


@pytest.mark.parametrize(
    ("scale", "level"),
    [
        ("petabytes of", "master"),
        ("real-time", "master"),
        ("real time", "master"),
        ("5 TB of", "expert"),
        ("production", "expert"),
        ("simple", "intermediate"),
        ("a prototype for petabytes of", "master"),
    ],
)
def test_the_largest_scale_decides_the_level_of_every_skill(scale: str, level: str) -> None:
    found = asked(f"{scale} orders: transform and audit")
    assert found == {"data_transformation": level, "data_quality": level}


@given(st.sampled_from(sorted(TOPIC_OF)), st.text(alphabet="xyz .,", max_size=20))
def test_every_known_word_is_found_in_any_case_and_beside_any_other(word: str, around: str) -> None:
    found = analyze(f"{around} {word.upper()} {around}")
    assert [need.skill for need in found.needs] == [TOPIC_OF[word].skill]
    assert word in found.needs[0].why


def test_no_word_belongs_to_two_topics_nor_to_a_topic_and_a_scale() -> None:
    forms = [form for topic in TOPICS for verb in topic.verbs.split() for form in inflections(verb)]
    words = forms + [word for topic in TOPICS for word in topic.others.split()]
    assert len(words) == len(set(words))
    assert not set(words) & set(SCALE_OF)
    assert {topic.skill for topic in TOPICS} <= set(SKILLS)


@given(st.lists(st.sampled_from(sorted(TOPIC_OF) + sorted(SCALE_OF)), min_size=1, max_size=8))
def test_one_more_word_takes_no_need_away(words: list[str]) -> None:
    try:
        before = analyze(" ".join(words[:-1]) or " ")
    except InputError:
        return
    after = analyze(" ".join(words))
    assert {need.skill for need in before.needs} <= {need.skill for need in after.needs}
    assert after.collaboration >= before.collaboration


def test_complexity_says_how_long_such_a_task_is_expected_to_take() -> None:
    simple = analyze("simple audit")
    standard = analyze("ingest and clean")
    complex_ = analyze("collect, transform, audit and warehouse")
    assert [(a.complexity, a.score, a.duration_s) for a in (simple, standard, complex_)] == [
        ("simple", 0.3, 1_800),
        ("standard", 0.6, 3_600),
        ("complex", 0.9, 7_200),
    ]
    assert (simple.collaboration, standard.collaboration, complex_.collaboration) == (0.0, 0.25, 0.75)
    assert analyze("distributed audit").complexity == "complex"


def test_the_quality_to_be_reached_is_the_default_or_what_the_description_says() -> None:
    assert analyze("audit").quality == THRESHOLDS
    stated = analyze("audit with an accuracy of at least 99.5%, 90% complete").quality
    assert stated == {**THRESHOLDS, Dimension.ACCURACY: 0.995, Dimension.COMPLETENESS: 0.9}


@pytest.mark.parametrize(
    "description", ["", "  \n", "Bestellungen einlesen und bereinigen", "注文データを取り込む", "42 !"]
)
def test_what_says_nothing_or_says_it_in_another_language_is_told(description: str) -> None:
    with pytest.raises(InputError, match=r"is empty|Use English words such as ingest"):
        analyze(description)


def test_a_description_without_end_is_refused() -> None:
    with pytest.raises(InputError, match="characters"):
        analyze("audit " * 10_000)


def llm(model: ScriptedModel) -> Llm:
    return Llm("scripted", "none", model.url)


ANSWER = {
    "skills": [
        {"skill": "batch", "level": "expert", "why": "einlesen"},
        {"skill": "cleaning", "level": "advanced", "why": "bereinigen"},
    ],
    "complexity": "standard",
}


def test_a_model_reads_what_rules_cannot(model: ScriptedModel) -> None:
    model.calls("NeededSkills", **ANSWER)
    found = analyze("Bestellungen einlesen und bereinigen", llm=llm(model))
    assert [(need.skill, need.level) for need in found.needs] == [("batch", Level.EXPERT), ("cleaning", Level.ADVANCED)]
    assert (found.analyst, found.complexity, found.duration_s, found.notes) == ("scripted", "standard", 3_600, ())


def scripted(model: ScriptedModel, nonsense: str) -> None:
    if nonsense == "a text":
        model.says("You need a data engineer.")
    elif nonsense == "an unknown skill":
        model.calls_amiss("NeededSkills", {**ANSWER, "skills": [{"skill": "cooking", "level": "expert", "why": "w"}]})
    elif nonsense == "a level of 7":
        model.calls_amiss("NeededSkills", {**ANSWER, "skills": [{"skill": "etl", "level": 7, "why": "w"}]})
    elif nonsense == "a skill twice":
        model.calls_amiss("NeededSkills", {**ANSWER, "skills": [ANSWER["skills"][0]] * 2})
    else:
        model.calls_amiss("NeededSkills", "{")


@pytest.mark.parametrize("nonsense", ["a text", "an unknown skill", "a level of 7", "a skill twice", "no JSON"])
def test_where_a_model_talks_nonsense_rules_go_on_and_say_so(
    model: ScriptedModel, database: Database, nonsense: str
) -> None:
    scripted(model, nonsense)
    found = analyze("validate orders", llm=llm(model), database=database)
    assert (found.analyst, [need.skill for need in found.needs]) == ("rules", ["data_quality"])
    assert found.notes[0].startswith("By rules, since the model failed: ")
    (event,) = journal.events(database, None, kind="analysis.fell_back")
    assert (event.data["model"], event.data["analyst"]) == ("scripted", "rules")
    assert json.dumps(event.data)


def test_where_the_model_is_down_and_the_rules_know_no_word_both_are_told() -> None:
    away = Llm("scripted", "none", "http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match=r"No word of the description.*the model failed"):
        analyze("Bestellungen einlesen", llm=away)
