"""Named places at which a crash would hurt most: just before and just after each commit.

Product code only passes them. A test that wants to see what a crash there leaves behind sets `hook`, which is called
with the name of each place as it is passed, and may raise or kill.
"""

from collections.abc import Callable

hook: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Pass the place `name`, for instance `step.commit.after validation/orders/0`."""
    if hook is not None:
        hook(name)
