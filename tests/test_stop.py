"""A request to stop: seen by who asks, by who waits, and by who is in the middle of work."""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from core import stop as module
from core.errors import Interrupted
from core.stop import Stop


def in_time(work: Callable[[], object]) -> None:
    """Do the work in a thread that must come to its end."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it hangs"
    if raised:
        raise raised[0]


def test_who_asks_is_stopped_with_the_first_reason() -> None:
    stop = Stop()
    stop.check()
    assert not stop.requested
    stop.request("Ctrl-C")
    stop.request("SIGTERM")
    assert stop.requested
    with pytest.raises(Interrupted, match=r"^Stopped: Ctrl-C\.$") as caught:
        stop.check()
    assert caught.value.resumable


def test_waiting_ends_with_its_time_if_nothing_happens() -> None:
    began = time.monotonic()
    Stop().wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_waiting_ends_at_once_when_a_stop_is_requested() -> None:
    stop = Stop()
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        stop.wait(3600)

    def request() -> None:
        waiting.wait(20)
        stop.request("enough")

    threading.Thread(target=request, daemon=True).start()
    with pytest.raises(Interrupted, match="enough"):
        in_time(wait)
    with pytest.raises(Interrupted, match="enough"):
        in_time(lambda: stop.wait(3600))


def test_a_stop_interrupts_all_who_are_at_work() -> None:
    stop = Stop()
    calls: list[str] = []
    with stop.interrupting(lambda: calls.append("a")), stop.interrupting(lambda: calls.append("b")):
        stop.request("enough")
    assert sorted(calls) == ["a", "b"]


def test_work_that_is_over_is_not_interrupted() -> None:
    stop = Stop()
    calls: list[str] = []
    with stop.interrupting(lambda: calls.append("a")):
        pass
    with pytest.raises(KeyError), stop.interrupting(lambda: calls.append("b")):
        raise KeyError
    stop.request("enough")
    assert calls == []


def test_no_work_begins_after_a_stop() -> None:
    stop = Stop()
    calls: list[str] = []
    stop.request("enough")
    with pytest.raises(Interrupted, match="enough"), stop.interrupting(lambda: calls.append("interrupted")):
        calls.append("begun")
    stop.request("again")
    assert calls == []


def test_the_same_interrupt_serves_several_blocks_at_once() -> None:
    stop = Stop()
    calls: list[int] = []

    def interrupt() -> None:
        calls.append(1)

    with stop.interrupting(interrupt):
        with stop.interrupting(interrupt):
            pass
        stop.request("enough")
    assert calls == [1]


def test_who_leaves_while_a_stop_is_under_way_is_interrupted_before_and_not_after() -> None:
    """What is interrupted may be closed when the block is left; an interrupt after that would fail, and keep the
    others from being interrupted."""
    stop = Stop()
    order: list[str] = []
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        with stop.interrupting(lambda: order.append("interrupted")):
            entered.set()
            leave.wait(20)
        order.append("left")
        left.set()

    def hold_up() -> None:
        leave.set()
        # As long as the stop is under way, the other cannot leave: this waits in vain.
        left.wait(0.1)

    with stop.interrupting(hold_up):
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        entered.wait(20)
        in_time(lambda: stop.request("enough"))
        worker.join(20)
    assert order == ["interrupted", "left"]


def test_a_signal_may_ask_for_a_stop_at_any_line_of_another_call() -> None:
    """A signal's handler runs in the main thread, between two of its lines, whatever lock that holds there."""
    line = 0
    while _stopped_at(line):
        line += 1
    assert line > 5


def _stopped_at(number: int) -> bool:
    """Enter and leave a block, and ask for a stop before the line with this number is done; whether there was one."""
    stop = Stop()
    passed = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal passed
        if frame.f_code.co_filename != module.__file__:
            return None
        if event == "line":
            if passed == number:
                stop.request("signal")
            passed += 1
        return trace

    def work() -> None:
        sys.settrace(trace)
        try:
            with stop.interrupting(lambda: None):
                pass
            stop.check()
        finally:
            sys.settrace(None)

    try:
        in_time(work)
    except Interrupted:
        assert stop.reason == "signal"
    return passed > number
