"""Rights: what an agent may do on someone's behalf. Handed on, they get narrower, never wider."""

from pydantic import BaseModel, ConfigDict, field_validator

from core.classification import Classification
from core.errors import Refused
from delegation.rules.resources import Resources
from tools.context import ToolContext
from tools.engine.limits import Limits


class Rights(BaseModel):
    """Places, data, types of task and resources that are open to an agent.

    `roots` are folders and URL prefixes, as of ToolContext; they are kept absolute, links resolved. Without any, no
    place is open. `task_types` None: all types. What `resources` does not name is not limited.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    roots: tuple[str, ...]
    clearance: Classification = Classification.INTERNAL
    task_types: frozenset[str] | None = None
    resources: Resources = Resources()

    @field_validator("roots")
    @classmethod
    def _resolved(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Compared as they are written, a link below a root would open what it leads to.
        return tuple(dict.fromkeys(_place(root) for root in value))

    def __and__(self, other: "Rights") -> "Rights":
        """What both allow."""
        if self == other:
            return self
        types = [rights.task_types for rights in (self, other) if rights.task_types is not None]
        # Not validated again: the roots are resolved, and must not follow links that were made since.
        return Rights.model_construct(
            roots=_shared(self.roots, other.roots),
            clearance=min(self.clearance, other.clearance, key=lambda clearance: clearance.rank),
            task_types=frozenset.intersection(*types) if types else None,
            resources=self.resources & other.resources,
        )

    def __le__(self, other: "Rights") -> bool:
        """Whether all that these rights allow, the others allow too."""
        mine, theirs = self.resources.named, other.resources.named
        return (
            all(any(_within(root, there) for there in other.roots) for root in self.roots)
            and self.clearance.rank <= other.clearance.rank
            and (other.task_types is None or (self.task_types is not None and self.task_types <= other.task_types))
            and all(name in mine and mine[name] <= limit for name, limit in theirs.items())
        )

    def bound(self, context: ToolContext) -> ToolContext:
        """The context, narrowed to these rights: its roots, its clearance, and the threads and memory of its engine.

        Raises Refused if no root is left, if one was replaced by a link since the rights were given, or if less than
        a thread or 64 MB are.
        """
        roots = _shared(self.roots, tuple(_place(root) for root in context.roots))
        if not roots:
            raise Refused(context.agent, "its rights open no place", remedy="Ask whoever delegated for roots.")
        for root in roots:
            if _place(root) != root:
                raise Refused(context.agent, f"{root} has become a link", remedy="Ask whoever delegated to look at it.")
        return context.model_copy(
            update={
                "roots": roots,
                "clearance": min(self.clearance, context.clearance, key=lambda clearance: clearance.rank),
                "limits": self._limits(context),
            }
        )

    def _limits(self, context: ToolContext) -> Limits:
        cpu, memory = self.resources.cpu, self.resources.memory
        threads = context.limits.threads if cpu is None else min(context.limits.threads, int(cpu))
        memory_mb = context.limits.memory_mb if memory is None else min(context.limits.memory_mb, int(memory * 1000))
        if threads < 1 or memory_mb < 64:
            raise Refused(
                context.agent,
                f"{threads} threads and {memory_mb} MB are too little to work with",
                remedy="Ask whoever delegated for at least 1 cpu and 0.064 memory.",
            )
        return Limits(threads=threads, memory_mb=memory_mb)


def _place(root: str) -> str:
    context = ToolContext(roots=(root,))
    return context.path(context.roots[0])


def _shared(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    inner = [mine for mine in ours if any(_within(mine, other) for other in theirs)]
    inner += [other for other in theirs if any(_within(other, mine) for mine in ours)]
    return tuple(dict.fromkeys(inner))


def _within(place: str, root: str) -> bool:
    return place == root or place.startswith(root.rstrip("/") + "/")
