"""PipelineOrchestratorTool: pipelines as wholes, for an agent."""

from typing import ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from tools.arguments import Arguments
from tools.orchestration.creation import create
from tools.orchestration.lineage import lineage
from tools.orchestration.monitor import monitor
from tools.orchestration.optimization import optimize
from tools.orchestration.status import status
from tools.tool import Tool

_LONGEST_DOCUMENT = 100_000

# Names of pipelines, and the ids that are made of them.
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_@-]{0,149}$"


class OrchestrationRequest(Arguments):
    """An action, and what it is about."""

    action: Literal["create", "status", "monitor", "optimize", "lineage"] = Field(
        description="create: check and register a pipeline. status: a pipeline and its last runs, or one run."
        " monitor: all pipelines. optimize: bottleneck and advice from measured runs. lineage: where data comes from"
        " and goes to."
    )
    pipeline: str | None = Field(
        default=None, pattern=_NAME, description="For status, optimize, lineage: a pipeline's name or id."
    )
    run: str | None = Field(default=None, pattern=_NAME, description="For status, lineage: a run's id.")
    path: str | None = Field(default=None, description="For create: the path of the pipeline's YAML document.")
    document: str | None = Field(
        default=None, max_length=_LONGEST_DOCUMENT, description="For create: the YAML document itself, as text."
    )
    base_dir: str | None = Field(
        default=None, description="For create with a document: the folder under which its relative paths stand."
    )

    # For each action: the choices of arguments of which one must be given, and those that may be besides.
    _takes: ClassVar[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
        "create": (("path", "document"), ("base_dir",)),
        "status": (("pipeline", "run"), ()),
        "monitor": ((), ()),
        "optimize": (("pipeline",), ()),
        "lineage": (("pipeline", "run"), ()),
    }

    @model_validator(mode="after")
    def _fits_the_action(self) -> "OrchestrationRequest":
        one_of, besides = self._takes[self.action]
        given = {name for name in type(self).model_fields if name != "action" and getattr(self, name) is not None}
        if strange := sorted(given - {*one_of, *besides}):
            takes = " or ".join(one_of) or "nothing else"
            raise ValueError(f"{self.action} does not take {', '.join(strange)}; it takes {takes}")
        if one_of and len(given & set(one_of)) != 1:
            raise ValueError(f"{self.action} needs {' or '.join(one_of)}")
        if self.base_dir is not None and self.document is None:
            raise ValueError("base_dir is for a document; the paths of a file stand under its own folder")
        return self


class PipelineOrchestratorTool(Tool):
    """Registers pipelines, and tells how they do, what to change about them, and where their data comes from."""

    name: str = "pipeline_orchestrator"
    description: str = (
        "Registers data pipelines and tells how they are doing: status, health of all, what to optimize by measured"
        " evidence, and lineage. It starts no run."
    )
    args_schema: type[BaseModel] = OrchestrationRequest

    def act(self, request: OrchestrationRequest) -> BaseModel:
        database, context = self.database(), self.context
        match request.action:
            case "create":
                return create(
                    database, context, path=request.path, document=request.document, base_dir=request.base_dir
                )
            case "status":
                return status(database, context, request.pipeline, run_id=request.run)
            case "monitor":
                return monitor(database, context)
            case "optimize":
                return optimize(database, context, request.pipeline or "")
            case "lineage":
                return lineage(database, context, request.pipeline, run_id=request.run)
