"""What all commands have in common: their options, exit codes, and how they tell errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from core.errors import CrewlineError

BAD_INPUT = 2
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, as `crewline status` shows it.")]


@contextmanager
def reported() -> Iterator[None]:
    """Errors of ours are told in one message, without a traceback."""
    try:
        yield
    except CrewlineError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from None


def print_json(content: dict[str, Any]) -> None:
    """One object, in one line."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
