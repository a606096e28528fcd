"""What is looked at before a pipeline works on any row: its rules, its target, its sources."""

from pathlib import Path

from core.spec import PipelineSpec
from tools.engine.engine import Engine
from tools.orchestration.requirements import units_of
from tools.publication.target import check_target
from tools.sources import Inspection, Surroundings, reader
from tools.transformation.rehearsal import rehearse


def examine(engine: Engine, spec: PipelineSpec, surroundings: Surroundings) -> dict[str, Inspection]:
    """Apply all rules to no rows, see whether the target can be written, and inspect each source.

    Raises SpecError with a line for each rule that does not fit, TargetError, SourceError.
    """
    rehearse(engine, spec, list(units_of(spec)))
    check_target(target_path(spec, surroundings.base_dir))
    return {name: reader(name, source, surroundings).inspect() for name, source in spec.sources.items()}


def target_path(spec: PipelineSpec, base_dir: str) -> Path:
    """The absolute path of a pipeline's target."""
    return Path(base_dir) / spec.target.path
