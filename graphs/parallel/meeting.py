"""What a sync point does, by who has arrived and how long it has waited (systems G1)."""

from typing import Literal

from graphs.branch import SyncPoint

Decision = Literal["complete", "partial", "recover", "wait", "failed"]


def decide(sync: SyncPoint, *, arrived: int, ended: int, waited_s: float) -> Decision:
    """`arrived` of its branches are done, `ended` have ended in any way, `waited_s` seconds after the first was sent.

    complete: all are there. partial: its time is up, or nobody else can come, and the quorum is there. recover: its
    time is up, and what is missing is to be sent once more. failed: nobody else can come, and they are too few.
    """
    everyone = len(sync.branches)
    enough = arrived >= sync.quorum * everyone
    if arrived == everyone:
        return "complete"
    if ended == everyone:
        return "partial" if enough else "failed"
    if sync.timeout_s is not None and waited_s >= sync.timeout_s:
        return "partial" if enough else "recover"
    return "wait"
