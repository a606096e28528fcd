"""What the fork server imports, once for all children. It must not start threads."""

# First: it sees to it that CrewAI starts no threads.
import flows.pipeline  # isort: skip

import duckdb  # noqa: F401
import ibis.backends.duckdb  # noqa: F401
import langchain_openai  # noqa: F401
import langgraph.checkpoint.postgres.aio  # noqa: F401
import mcp  # noqa: F401

import crewline
import crewline.cli
import delegation
import flows
import flows.audit
import graphs
import graphs.runs
import graphs.staged
import tools

for face in (crewline, delegation, flows, graphs, tools):
    for name in face.__all__:
        getattr(face, name)
