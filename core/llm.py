"""Access to a language model, where one is configured: any server that speaks OpenAI's interface, local ones too."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from core.errors import InputError, ModelError
from core.settings import settings

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

# How long an answer is waited for, seconds.
TIMEOUT_S = 60.0

# Tries beyond the first, where the server is busy or the connection breaks.
_RETRIES = 1

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class Llm:
    """A model by name, and the server that has it; None is OpenAI's own."""

    model: str
    api_key: str = field(repr=False)
    base_url: str | None = None


@dataclass(frozen=True)
class Usage:
    """What an answer took."""

    tokens: int
    seconds: float


def configured() -> Llm | None:
    """The model of CREWLINE_LLM_MODEL, or None where that is unset and rules do everything.

    Raises InputError when there is neither a server (OPENAI_BASE_URL) nor a key (OPENAI_API_KEY) for it.
    """
    given = settings()
    if given.llm_model is None:
        return None
    key, url = given.openai_api_key, given.openai_base_url
    if key is None and url is None:
        raise InputError(
            f"The model {given.llm_model} is configured, and nobody to ask it.",
            remedy="Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own; or unset CREWLINE_LLM_MODEL.",
        )
    # Local servers want no key, and the client will not go without one.
    return Llm(given.llm_model, key.get_secret_value() if key else "none", url)


def chat(llm: Llm, *, timeout_s: float = TIMEOUT_S) -> "ChatOpenAI":
    """LangChain's client of the model. It is imported here, as it takes a second."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=llm.model,
        api_key=llm.api_key,
        base_url=llm.base_url,
        timeout=timeout_s,
        max_retries=_RETRIES,
        temperature=0,
    )


def ask(
    llm: Llm, schema: type[Answer], system: str, user: str, *, timeout_s: float = TIMEOUT_S
) -> tuple[Answer, Usage]:
    """The model's answer as an instance of `schema`, and what it took.

    Raises ModelError when the server is down, slow or refuses, and when what the model says is no such instance: the
    caller goes on by rules, and says so.
    """
    from openai import OpenAIError

    structured = chat(llm, timeout_s=timeout_s).with_structured_output(
        schema, method="function_calling", include_raw=True
    )
    began = time.monotonic()
    try:
        found = structured.invoke([("system", system), ("user", user)])
    except OpenAIError as error:
        raise ModelError(llm.model, f"could not be asked: {error}") from error
    assert isinstance(found, dict), "include_raw gives the message too"
    if found["parsing_error"] is not None or found["parsed"] is None:
        problem = found["parsing_error"] or "a text instead of an answer of the form"
        raise ModelError(llm.model, f"answered what is no {schema.__name__}: {_short(str(problem))}")
    metadata = found["raw"].usage_metadata or {}
    return found["parsed"], Usage(metadata.get("total_tokens", 0), time.monotonic() - began)


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."
