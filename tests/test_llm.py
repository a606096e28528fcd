"""A language model, where one is configured: asked over HTTP, and never believed unseen."""

import pytest
from pydantic import BaseModel, Field

from core.errors import InputError, ModelError
from core.llm import Llm, ask, configured
from core.settings import settings
from tests.model import ScriptedModel


class Verdict(BaseModel):
    """A verdict."""

    good: bool
    score: float = Field(ge=0, le=1)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREWLINE_LLM_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()


def test_without_a_model_none_is_configured() -> None:
    assert configured() is None


def test_a_model_with_nobody_to_ask_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWLINE_LLM_MODEL", "small")
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        configured()


def test_a_server_of_ones_own_needs_no_key_and_a_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWLINE_LLM_MODEL", "small")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    found = configured()
    assert found is not None
    assert (found.model, found.base_url) == ("small", "http://127.0.0.1:1/v1")
    settings.cache_clear()
    monkeypatch.setenv("OPENAI_API_KEY", "opensesame")
    assert "opensesame" not in repr(configured()) + repr(settings())


def test_an_answer_comes_as_what_was_asked_for_with_what_it_took(model: ScriptedModel) -> None:
    model.calls("Verdict", good=True, score=0.5)
    answer, usage = ask(Llm("scripted", "none", model.url), Verdict, "Judge.", "This.")
    assert answer == Verdict(good=True, score=0.5)
    assert usage.tokens == 2
    assert usage.seconds > 0


def test_what_is_no_answer_is_an_error_that_says_so(model: ScriptedModel) -> None:
    asked = Llm("scripted", "none", model.url)
    model.says("I think it is good.").calls_amiss("Verdict", {"good": "perhaps", "score": 7})
    for _ in range(2):
        with pytest.raises(ModelError, match="no Verdict"):
            ask(asked, Verdict, "Judge.", "This.")


def test_a_model_that_is_down_is_an_error_with_a_way_out() -> None:
    with pytest.raises(ModelError, match="OPENAI_BASE_URL"):
        ask(Llm("scripted", "none", "http://127.0.0.1:9/v1"), Verdict, "Judge.", "This.", timeout_s=1)
