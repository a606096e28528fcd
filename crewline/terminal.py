"""What all commands have in common: their options, exit codes, and how they tell errors."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import CrewlineError, InputError

if TYPE_CHECKING:
    from core.stop import Stop

BAD_INPUT = 2
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")]

# What stands for the id of the run that began last.
NEWEST = "newest"


def named(run_id: str | None) -> str | None:
    """The id itself, or that of the newest run, where that is asked for."""
    if run_id != NEWEST:
        return run_id
    from core import run as runs
    from crewline.facade.store import database

    with reported(), database() as store:
        found = runs.newest(store, 1)
        if not found:
            raise InputError("There is no run yet.", remedy="Start one with: crewline run PIPELINE")
        return found[0].run_id


RunId = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The id of a run, as `crewline status` shows it, or `newest`.", callback=named),
]


@contextmanager
def reported() -> Iterator[None]:
    """Errors of ours are told in one message, without a traceback."""
    try:
        yield
    except CrewlineError as error:
        typer.echo(f"Error: {plain(str(error))}", err=True)
        raise typer.Exit(BAD_INPUT) from None


def plain(words: str) -> str:
    """Words for a terminal: what would move its cursor, colour it or hide something is written as Python writes it."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in words)


def print_json(content: dict[str, Any]) -> None:
    """One object, in one line."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask for a stop; a second one kills, as it would have without this."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        for known, handler in before.items():
            signal.signal(known, handler)
        typer.echo("Stopping at a safe place ...", err=True)
        # In a thread: the signal may have come while this one holds what the request wants to hold.
        reason = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        threading.Thread(target=stop.request, args=(reason,), name="stop").start()

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
