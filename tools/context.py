"""ToolContext: on whose behalf a tool works, and within which bounds. The bounds are enforced here."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Timer
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.classification import Classification
from core.errors import Refused
from core.stop import Stop
from core.task import THRESHOLDS, Dimension
from tools.engine.limits import Limits
from tools.url import public


class Thresholds(BaseModel):
    """The shares of faultless rows that data should have, from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    completeness: float = Field(default=THRESHOLDS[Dimension.COMPLETENESS], ge=0, le=1)
    consistency: float = Field(default=THRESHOLDS[Dimension.CONSISTENCY], ge=0, le=1)
    accuracy: float = Field(default=THRESHOLDS[Dimension.ACCURACY], ge=0, le=1)


class ToolContext(BaseModel):
    """Whose work it is, and its bounds. Whoever gives a tool to an agent gives it one; the agent cannot change it.

    `roots` are the folders, and URL prefixes such as `s3://lake/raw`, below which the tool may read and write; without
    any, the working directory. `limits` bound the engine, `timeout_s` a call. Data classified above `clearance` is
    refused. `thresholds` are what quality is measured against.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str = "agent"
    pipeline: str | None = None
    task: str | None = None
    roots: tuple[str, ...] = Field(default_factory=lambda: (str(Path.cwd()),), min_length=1)
    limits: Limits = Limits(threads=2, memory_mb=1024)
    timeout_s: float = Field(default=300.0, gt=0, description="How long one call may take, seconds.")
    clearance: Classification = Classification.INTERNAL
    thresholds: Thresholds = Thresholds()

    @field_validator("roots")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Else a root would stand under itself, or under wherever the process goes.
        return tuple(root if "://" in root else str(Path(root).absolute()) for root in value)

    def path(self, text: str) -> str:
        """The place that a path, glob or URL names, absolute, with `..` and links resolved. Raises Refused outside the
        roots.

        Relative paths stand under the first root that is a folder. What a glob finds must be asked for file by file:
        a link may lead out of the roots.
        """
        place = self._resolved(text)
        if not any(_within(place, self._resolved(root)) for root in self.roots):
            raise self._refused(
                f"{public(text)!r} is outside of the allowed roots", f"Use a path below {self._shown()}."
            )
        return place

    def admit(self, name: str, classification: Classification | None) -> None:
        """Raise Refused for data above the clearance. Data that nobody has classified counts as internal."""
        found = classification or Classification.INTERNAL
        if found.rank > self.clearance.rank:
            raise self._refused(
                f"'{name}' is {found}, and the clearance is {self.clearance}",
                "Use other data, or ask whoever set the clearance.",
            )

    def within(self, asked: Limits | None) -> Limits:
        """The limits asked for, or those of the context. Raises Refused for more than these."""
        if asked is None:
            return self.limits
        for name in Limits.model_fields:
            if getattr(asked, name) > getattr(self.limits, name):
                raise self._refused(
                    f"{name} {getattr(asked, name)} is over the limit of {getattr(self.limits, name)}",
                    "Ask for less.",
                )
        return asked

    @contextmanager
    def deadline(self, outer: Stop | None = None) -> Iterator[Stop]:
        """A stop that is requested when the time of a call is over, or when `outer` is. What obeys it raises
        Interrupted."""
        stop = Stop()
        timer = Timer(self.timeout_s, stop.request, [f"a call may take {self.timeout_s:g} s"])
        timer.daemon = True
        timer.start()
        try:
            with outer.interrupting(lambda: stop.request(outer.reason)) if outer else nullcontext():
                yield stop
        finally:
            timer.cancel()

    def _resolved(self, text: str) -> str:
        if "\0" in text or not text.strip() or len(text) > 4096:
            raise self._refused(f"{public(text)[:80]!r} is no path", "Give the path of a file or folder.")
        if "::" in text:
            # fsspec would unwrap it: `simplecache::file:///etc/passwd` is a file outside after all.
            raise self._refused(f"{public(text)!r} chains protocols", "Give one plain path or URL.")
        protocol, is_url, rest = text.partition("://")
        if not is_url or protocol == "file":
            try:
                return str((self._folder() / (rest or text)).resolve())
            except (OSError, RuntimeError, ValueError) as error:
                # Links in a circle, and text that is no file's name: half of a surrogate pair.
                raise self._refused(f"{text[:80]!a} leads nowhere", "Give the path of a file or folder.") from error
        # Object stores have no `..`, and web servers decode it: who writes it means to leave.
        if ".." in unquote(rest).split("/"):
            raise self._refused(f"{public(text)!r} goes up with '..'", "Give the URL without it.")
        return f"{protocol.lower()}://{posixpath.normpath(rest) if rest else ''}"

    def _folder(self) -> Path:
        return next((Path(root) for root in self.roots if "://" not in root), Path.cwd())

    def _refused(self, reason: str, remedy: str) -> Refused:
        return Refused(self.agent, reason, remedy=remedy)

    def _shown(self) -> str:
        return " or ".join(map(public, self.roots))


def _within(place: str, root: str) -> bool:
    return place == root or place.startswith(root.rstrip("/") + "/")
