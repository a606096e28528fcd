"""What the fork server imports, once for all children. It must not start threads."""

import duckdb  # noqa: F401
import ibis.backends.duckdb  # noqa: F401
import langgraph.checkpoint.postgres.aio  # noqa: F401

import flows.audit
import flows.pipeline  # noqa: F401
import graphs.runs
import graphs.staged  # noqa: F401
