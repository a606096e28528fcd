"""Processes that hold something: how one is told from all others, and whether it is still alive."""

import os
import socket
from functools import cache
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """This process: `host`, `pid`, and when it `started` (seconds since 1970), since pids are used again."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": _started(pid)}


@cache
def account() -> str | None:
    """The account that this process runs under, as the operating system has it, such as `ada@host`; None if unknown."""
    try:
        return f"{psutil.Process().username()}@{socket.gethostname()}"
    except psutil.Error:
        return None


def dead(holder: dict[str, Any]) -> bool:
    """Whether the holder is known to be dead; of another machine's processes nothing is known but their heartbeat."""
    if holder["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(holder["pid"])
        alive = abs(process.create_time() - holder["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    return not alive


@cache
def _started(pid: int) -> float:
    return round(psutil.Process(pid).create_time(), 2)
