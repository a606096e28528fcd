"""`crewline team`: the team, its scores, the runners-up; bad input by exit code and words."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import crewline
from core.llm import Llm
from core.settings import Settings
from crewline.cli import app
from crews import Team
from tests.model import ScriptedModel

PROFILES = """
profiles:
  ann: {primary: {data_ingestion: expert}, secondary: {etl: advanced}}
  ben: {primary: {etl: expert, validation: expert}}
"""


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["team", *arguments], catch_exceptions=False)


@pytest.fixture
def profiles(tmp_path: Path, configuration: Settings) -> str:
    path = tmp_path / "profiles.yaml"
    path.write_text(PROFILES)
    return str(path)


def test_the_team_is_printed_with_its_scores_and_the_runners_up(profiles: str) -> None:
    words = call("ingest and validate orders", "--profiles", profiles).stdout
    for told in ("ann", "ben", "lead", "skill coverage", "size efficiency", "because of", "ingest", "none is better"):
        assert told in words
    team = Team.model_validate_json(call("ingest and validate orders", "--profiles", profiles, "--json").stdout)
    assert team.agents == ("ann", "ben")
    assert team.analysis is not None
    assert team == crewline.form_team("ingest and validate orders", profiles=profiles)


def test_without_profiles_the_installed_agents_are_chosen_from(configuration: Settings) -> None:
    team = Team.model_validate_json(call("clean orders, then compute statistics", "--json").stdout)
    assert "aggregation_agent" in team.agents
    assert team.formation.runners_up
    assert "runner-up" in call("clean orders, then compute statistics").stdout


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("", "The description is empty"),
        ("Bestellungen bereinigen", "Use English words such as"),
        ("chart the revenue", "No agent can do visualization"),
    ],
)
def test_what_no_team_can_be_formed_for_is_told(profiles: str, description: str, told: str) -> None:
    result = call(description, "--profiles", profiles)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_level_of_seven_is_told_with_its_place(profiles: str) -> None:
    Path(profiles).write_text(PROFILES.replace("validation: expert", "validation: 7"))
    result = call("validate", "--profiles", profiles)
    assert result.exit_code == 2
    assert "profiles.ben.primary.validation: a level is novice (1)" in result.stderr
    assert "cannot be read" in call("validate", "--profiles", "nowhere.yaml").stderr


def test_a_configured_model_reads_the_description_and_its_failure_is_told(
    profiles: str, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.llm.configured", lambda: Llm("scripted", "none", model.url))
    model.calls("NeededSkills", skills=[{"skill": "validation", "level": "expert", "why": "p"}], complexity="simple")
    assert call("Bestellungen pruefen", "--profiles", profiles, "--json").exit_code == 0
    model.says("no idea")
    assert "By rules, since the model failed" in call("validate", "--profiles", profiles).stdout
