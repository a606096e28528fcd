"""What a transformation is asked for."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from core.spec.check import Check
from core.spec.column import Column, Names
from core.spec.rule import Rule
from tools.arguments import Arguments
from tools.sources.opening import Files

Kind = Literal["etl", "aggregation", "join", "enrichment", "cleansing", "normalization"]


class TargetColumn(Column):
    """A column of the result: its type, and whether it may lack values."""

    nullable: bool = True


class TransformationRequest(Arguments):
    """Transform the files of `source` by `rules`, in order, and commit the result to `output` at once, or not at all.

    In the place of a source's description, its path may stand.
    """

    source: str | Files = Field(description="The path of the file to transform, a glob, or a description of files.")
    type: Kind = Field(default="etl", description="What kind of transformation it is meant to be; its rules must fit.")
    rules: tuple[Rule, ...] = Field(default=(), description="What to do to the rows, in order.")
    datasets: dict[str, str | Files] = Field(
        default_factory=dict, description="Further files, by the name that the rules `join` and `lookup` give them."
    )
    target_schema: dict[str, TargetColumn] | None = Field(
        default=None, min_length=1, description="The columns that the result must have, with their types."
    )
    output: str = Field(min_length=1, description="The path of the folder in which the result's files are to stand.")
    output_format: Literal["parquet", "json", "csv", "delta"] = "parquet"
    partition_by: Names = Field(default=(), description="Columns to make Hive folders of.")
    quality_checks: bool = Field(default=True, description="Whether the result is checked, and its quality assessed.")
    checks: tuple[Check, ...] = Field(default=(), description="What each row of the result must satisfy.")

    @field_validator("source")
    @classmethod
    def _described(cls, value: str | Files) -> Files:
        return Files(path=value) if isinstance(value, str) else value

    @field_validator("datasets")
    @classmethod
    def _all_described(cls, value: dict[str, str | Files]) -> dict[str, Files]:
        return {name: Files(path=files) if isinstance(files, str) else files for name, files in value.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Any:
        if self.checks and not self.quality_checks:
            raise ValueError("there are checks, but quality_checks is off")
        return self

    @property
    def files(self) -> Files:
        """The description of the source."""
        assert isinstance(self.source, Files), "the validator made it one"
        return self.source

    @property
    def others(self) -> dict[str, Files]:
        """The descriptions of the further files."""
        return {name: files for name, files in self.datasets.items() if isinstance(files, Files)}
