"""Watching over pipelines and machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.stop import Stop
    from delegation import Monitor
    from delegation.monitor.monitor import Pass


@contextmanager
def monitor(
    *, webhook: str | None = None, stop: Stop | None = None, listener: Callable[[Pass], None] | None = None
) -> Iterator[Monitor]:
    """A monitor on Crewline's database while the block runs: `check()` makes one pass, `run()` one after the other
    until stopped, and `with` it a thread does so.

        with crewline.monitor() as watch, watch:
            ...

    `webhook` is a URL that is told of alerts, signed with `CREWLINE_WEBHOOK_SECRET`. `listener` is told every pass.
    Raises InputError for a webhook that is no URL of the web.
    """
    from core.settings import settings
    from delegation import Monitor, Webhook

    configuration = settings()
    told = Webhook(webhook, configuration.webhook_secret) if webhook is not None else None
    with database() as store:
        yield Monitor(
            store, configuration.root, lease_s=configuration.lease_s, webhook=told, stop=stop, listener=listener
        )
