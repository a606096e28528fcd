"""The transformation as a tool for agents."""

from typing import Any

from pydantic import BaseModel

from tools.discovery.clearance import allowed
from tools.tool import Tool
from tools.transformation.request import TransformationRequest


class DataTransformationTool(Tool):
    """Transforms files by rules, and commits the result at once or not at all."""

    name: str = "data_transformation"
    description: str = (
        "Transform the rows of CSV, JSON lines or Parquet files by a list of rules (select, cast, derive, filter, join,"
        " aggregate, ...), check the result, and write it as Parquet, JSON, CSV or Delta. Rows that a rule cannot"
        " convert or that fail a check go to quarantine with the reason. The answer accounts for every row:"
        " rows_in = rows_out + quarantined + merged + filtered."
    )
    args_schema: type[BaseModel] = TransformationRequest

    def act(self, request: Any) -> BaseModel:
        # The engine takes a second to import, and is not needed to show what the tool does.
        from tools.transformation.transformation import transform_dataset

        return transform_dataset(request, self.context, allowed(self.context, self.database))
