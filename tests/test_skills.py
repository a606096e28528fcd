"""Profiles: what is stated of agents, checked as it is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SpecError
from core.task import Stage
from crews import AGENTS, Level, Profile, load_profiles
from crews.skills import AREAS, SKILLS, Profiles, area_of

levels = st.sampled_from(Level)
profiles = st.builds(
    lambda skills, second: Profile(primary=skills, secondary={k: v for k, v in second.items() if k not in skills}),
    st.dictionaries(st.sampled_from(SKILLS), levels, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(SKILLS), levels, max_size=4),
)


def document(folder: Path, text: str) -> Path:
    path = folder / "profiles.yaml"
    path.write_text(text)
    return path


@given(profile=profiles)
def test_a_profile_comes_back_from_plain_values_as_it_was(profile: Profile) -> None:
    assert Profile.model_validate(profile.model_dump(mode="json")) == profile


@given(profile=profiles, skill=st.sampled_from(SKILLS), level=levels)
def test_one_more_skill_never_lowers_what_an_agent_is_taken_to_know(profile: Profile, skill: str, level: Level) -> None:
    if skill in profile.skills:
        return
    more = profile.model_copy(update={"primary": {**profile.primary, skill: level}})
    assert all(now >= before for s in SKILLS for now, before in zip(more.levels(s), profile.levels(s), strict=True))
    assert more.levels(skill)[0] >= level
    assert more.levels(area_of(skill))[0] >= level


def test_an_area_speaks_for_its_skills_one_level_lower_and_a_skill_for_its_area() -> None:
    known = Profile(primary={"data_quality": Level.ADVANCED}, secondary={"etl": Level.NOVICE})
    assert [known.levels(skill)[0] for skill in AREAS["data_quality"]] == [2, 2, 2]
    assert known.levels("data_transformation") == (0, 1)
    assert known.levels("streaming") == (0, 0)
    assert Profile(primary={"data_quality": Level.NOVICE}).levels("validation") == (0, 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ann: {primary: {etl: 7}}", "profiles.ann.primary.etl: a level is novice (1), "),
        ("ann: {primary: {etl: true}}", "profiles.ann.primary.etl: a level is novice (1), "),
        ("ann: {primary: {etl: great}}", "(got 'great')"),
        ("ann: {primary: {streeming: 2}}", "did you mean 'streaming'?"),
        ("ann: {primary: {cooking: 2}}", "there is no skill 'cooking'"),
        ("ann: {primary: {}}", "profiles.ann.primary"),
        ("ann: {primary: {etl: 2}, secondary: {etl: 3}}", "etl cannot be both primary and secondary"),
        ("ann: {primary: {etl: 2}, availability: 1.5}", "profiles.ann.availability"),
        ("ann: {primary: {etl: 2}, learning_rate: 0}", "profiles.ann.learning_rate"),
        ("ann: {primary: {etl: 2}, success_rate: 0.9}", "unknown key"),
    ],
)
def test_a_profile_that_cannot_be_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError) as raised:
        load_profiles(document(tmp_path, f"profiles:\n  {text}\n"))
    assert told in "; ".join(raised.value.problems)


def test_levels_are_read_as_words_and_as_numbers(tmp_path: Path) -> None:
    found = load_profiles(document(tmp_path, "profiles: {a: {primary: {etl: Expert}}, b: {primary: {etl: 4}}}"))
    assert found["a"] == found["b"] == Profile(primary={"etl": Level.EXPERT})


def test_a_document_without_profiles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="profiles"):
        load_profiles(document(tmp_path, "profiles: {}"))
    assert set(Profiles.model_fields) == {"profiles"}


def test_each_built_in_agent_has_the_skill_of_its_stage() -> None:
    asked = {
        Stage.INGESTION: "data_ingestion",
        Stage.VALIDATION: "data_quality",
        Stage.TRANSFORMATION: "data_transformation",
        Stage.ENRICHMENT: "data_transformation",
        Stage.AGGREGATION: "data_analysis",
    }
    for agent in AGENTS.values():
        assert all(agent.profile.levels(asked[stage])[0] >= Level.EXPERT for stage in agent.stages)
