"""What a check of a dataset is asked for."""

from pydantic import Field

from core.spec.check import Check
from core.spec.checklist import Checklist
from core.spec.column import Column
from tools.arguments import Arguments


class QualityRequest(Arguments):
    """What to check."""

    path: str = Field(description="A CSV, JSON lines or Parquet file, or a folder of Parquet files.")
    checks: tuple[Check, ...] = Field(min_length=1, description="What rows, keys or the dataset must satisfy.")
    columns: dict[str, Column] = Field(default_factory=dict, description="Types of columns of text files.")
    partition_by: tuple[str, ...] = Field(default=(), description="Columns by whose values results are told apart.")
    references: dict[str, str] = Field(default_factory=dict, description="Path of each dataset of a foreign key.")

    @property
    def checklist(self) -> Checklist:
        """The checks, with the types of the columns and the parts of the dataset that they are made on."""
        return Checklist(checks=self.checks, columns=self.columns, partition_by=self.partition_by)
