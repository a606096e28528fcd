"""The model of a crew: CrewAI's client, which asks within a budget."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from crewai.llms.providers.openai.completion import OpenAICompletion
from pydantic import PrivateAttr

from core.llm import Llm
from crews.data_team.budget import Purse

# How long one answer is waited for at most, seconds.
TIMEOUT_S = 60.0

# Tries beyond the first, where the server is busy or the connection breaks.
_RETRIES = 1

# What a model reads at a time at least, tokens: of names that it does not know, CrewAI thinks that they read 8,192, and
# sums up the task before it is told. A server that takes less says so, and then it does.
_WINDOW = 32_000

# How many characters make about a token, where the server does not count.
_CHARACTERS = 4


@dataclass
class _Said:
    said: Any = None


class BudgetedModel(OpenAICompletion):
    """A model that takes each of its answers out of a crew's purse. Raises BudgetSpent when nothing is left."""

    _purse: Purse = PrivateAttr()
    _member: str = PrivateAttr()

    @classmethod
    def of(cls, llm: Llm, purse: Purse, member: str) -> "BudgetedModel":
        """The model for a member of a crew."""
        model = cls(
            model=llm.model,
            api_key=llm.api_key,
            base_url=llm.base_url,
            temperature=0,
            timeout=max(0.1, min(TIMEOUT_S, purse.budget.left_s)),
            max_retries=_RETRIES,
        )
        model._purse, model._member = purse, member
        return model

    def call(self, messages: Any, tools: Any = None, *args: Any, **kwargs: Any) -> Any:
        """What CrewAI calls for each answer."""
        with self._paid(messages, tools) as answer:
            said = super().call(messages, tools, *args, **kwargs)
            answer.said = said
        return said

    async def acall(self, messages: Any, tools: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The same, as CrewAI asks for summaries of what is too long."""
        with self._paid(messages, tools) as answer:
            said = await super().acall(messages, tools, *args, **kwargs)
            answer.said = said
        return said

    def close(self) -> None:
        """Give back the connection."""
        self._get_sync_client().close()

    def get_context_window_size(self) -> int:
        """How many tokens a question may have."""
        return max(super().get_context_window_size(), _WINDOW)

    @contextmanager
    def _paid(self, messages: Any, tools: Any) -> Iterator["_Said"]:
        before = self.get_token_usage_summary().total_tokens
        asked = self.get_input_tokens_count(messages, tools)
        with self._purse.asking(self._member, asked) as answer:
            said = _Said()
            yield said
            counted = self.get_token_usage_summary().total_tokens - before
            answer.tokens = counted or asked + _about(said.said)

    def get_input_tokens_count(self, messages: Any, tools: Any = None, response_model: Any = None) -> int:
        """About how many tokens a question has. CrewAI's own count would ask the server, beside the budget."""
        return _about(messages) + _about(tools or "")


def _about(value: Any) -> int:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return math.ceil(len(text) / _CHARACTERS)
