"""Runs in processes of their own, so that they can be killed for real.

A fork server imports everything once; each run is a fork of it, which starts in milliseconds.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

context: ForkServerContext = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.child_preload"])

ROOT = Path(__file__).parent.parent


def start(
    environment: dict[str, str],
    *,
    spec: Path | None = None,
    run_id: str | None = None,
    kill_at: Collection[str] = (),
    kill_after_s: float | None = None,
    slow_s: float = 0.0,
    trace: Path | None = None,
) -> BaseProcess:
    """Start a process that runs a spec, or resumes a run.

    It is killed with SIGKILL by itself when it first passes one of the crash points `kill_at`, or `kill_after_s`
    seconds after it began to work; it waits `slow_s` at each. `trace` is a file that gets the name of each crash point
    that was passed, and last that of its death or the error that ended the process, if one did.
    """
    options = {"kill_at": kill_at, "kill_after_s": kill_after_s, "slow_s": slow_s, "trace": trace}
    return forked(_work, environment, str(spec) if spec else None, run_id, options)


def forked(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a process that does this work; it ends with this one."""
    return begun(context.Process(target=work, args=arguments, daemon=True))


def begun(process: BaseProcess) -> BaseProcess:
    """Start a process of the fork server.

    Before Python 3.13 the server finds what it is to import from its working directory alone, and says nothing if it
    does not: it must begin here, wherever the test that is the first to need it has gone.
    """
    with contextlib.chdir(ROOT):
        forkserver.ensure_running()
    process.start()
    return process


def _work(environment: dict[str, str], spec: str | None, run_id: str | None, options: dict[str, Any]) -> None:
    os.environ.update(environment)
    from core import crashpoint
    from core.errors import CrewlineError
    from core.settings import settings
    from flows.pipeline import DataPipelineFlow

    settings.cache_clear()
    lock = threading.Lock()

    def note(line: str) -> None:
        if options["trace"]:
            with options["trace"].open("a") as trace:
                trace.write(line + "\n")

    def hook(name: str) -> None:
        with lock:
            note(name)
            time.sleep(options["slow_s"])
            if name in options["kill_at"]:
                os.kill(os.getpid(), signal.SIGKILL)

    crashpoint.hook = hook
    if options["kill_after_s"] is not None:
        timer = threading.Timer(options["kill_after_s"], os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    try:
        flow = DataPipelineFlow(spec) if spec else DataPipelineFlow(run_id=run_id)
        report = flow.kickoff()
        os._exit({"published": 0, "waiting": 3}.get(report.status, 1))
    except CrewlineError as error:
        note(f"{type(error).__name__}: {error}")
        os._exit(2)
