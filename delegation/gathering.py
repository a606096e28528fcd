"""Asking several at once, and going on with the answers that came in time."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from core.errors import InputError
from delegation.clock import Clock

T = TypeVar("T")


# Of a failure's words, which may quote anything.
LONGEST = 500


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What one of them answered: a `value`, or else `failure`, in words. `seconds` is how long it took.

    `late`: there was no answer when the time was over.
    """

    value: T | None = None
    failure: str | None = None
    late: bool = False
    seconds: float = 0.0


def patience(timeout_s: Any) -> float:
    """Seconds to wait for answers. Raises InputError for what is no time."""
    if isinstance(timeout_s, int | float) and 0 < timeout_s <= threading.TIMEOUT_MAX:
        return float(timeout_s)
    raise InputError(f"A time of {timeout_s!r:.40} s to answer is none.", remedy="Give more than 0 s.")


def gather(asked: Mapping[str, Callable[[], T]], *, timeout_s: float, clock: Clock) -> dict[str, Answer[T]]:
    """Call all at once, each on a thread of its own, and return their answers in the order in which they were given.

    Who has not answered after `timeout_s` is late, and what it still answers is not heard. Its thread cannot be
    stopped: it goes on until its call ends, but does not keep the process from ending. An error that a call raises is
    its answer's `failure`.
    """
    changed = threading.Condition()
    answers: dict[str, Answer[T]] = {}
    started = clock.now()

    def call(name: str) -> None:
        try:
            answer = Answer(value=asked[name]())
        except BaseException as error:  # noqa: BLE001 - it is the answer, and who asked puts it on record
            words = " ".join(f"{type(error).__name__}: {error}".split())
            answer = Answer(failure=words.removesuffix(":")[:LONGEST])
        with changed:
            answers[name] = Answer(answer.value, answer.failure, seconds=clock.now() - started)
            changed.notify_all()

    for name in asked:
        threading.Thread(target=call, args=(name,), name=f"ask-{name}", daemon=True).start()
    with changed:
        while len(answers) < len(asked) and (left := started + timeout_s - clock.now()) > 0:
            clock.wait(changed, left)
        # A copy: who is late writes into the other one.
        late: Answer[T] = Answer(failure=f"no answer within {timeout_s:g} s", late=True, seconds=clock.now() - started)
        return {name: answers.get(name, late) for name in asked}
