"""The MCP server: the tools, for every program that speaks the Model Context Protocol.

A client sees the same names, schemas and answers as a CrewAI agent. Errors are marked as such, and refusals are in the
journal; the bounds are those of the context that the server was started with.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from io import TextIOWrapper
from typing import Any

import anyio
import uvicorn
from crewai.utilities.string_utils import sanitize_tool_name
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Mount

from tools.context import ToolContext
from tools.tool import Tool, failed
from tools.toolbox import toolbox


def serve_stdio(context: ToolContext) -> None:
    """Serve one client over standard input and output, until it goes."""
    anyio.run(_stdio, context)


def serve_http(context: ToolContext, host: str, port: int) -> None:
    """Serve many clients over streamable HTTP at `/mcp`, until interrupted. Only local web pages may ask."""
    uvicorn.run(http_app(context, host, port), host=host, port=port, log_level="warning")


def http_app(context: ToolContext, host: str, port: int) -> Starlette:
    """The ASGI application behind `serve_http`."""
    names = {host, "localhost", "127.0.0.1"}
    sessions = StreamableHTTPSessionManager(
        _server(toolbox(context)),
        # A page that a browser has open must not reach the server by having its own name lead here.
        security_settings=TransportSecuritySettings(
            allowed_hosts=[f"{name}:{port}" for name in names],
            allowed_origins=[f"http://{name}:{port}" for name in names],
        ),
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sessions.run():
            yield

    return Starlette(routes=[Mount("/mcp", sessions.handle_request)], lifespan=lifespan)


def _server(tools: list[Tool]) -> Server[Any, Any]:
    server: Server[Any, Any] = Server("crewline")
    named = {sanitize_tool_name(tool.name): tool for tool in tools}

    @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]
    async def list_tools() -> list[types.Tool]:
        return [
            types.Tool(name=name, description=tool.description, inputSchema=tool.args_schema.model_json_schema())
            for name, tool in named.items()
        ]

    # The tools validate, and tell what is wrong in a line.
    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        tool = named.get(name)
        if tool is None:
            text, error = f"There is no tool '{name}'; there are {', '.join(sorted(named))}.", True
        else:
            text = await tool.arun(**arguments)
            error = failed(text)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], isError=error)

    return server


async def _stdio(context: ToolContext) -> None:
    # What a library prints must not get among the messages: they have the descriptor to themselves.
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = _server(toolbox(context))
    out = anyio.wrap_file(TextIOWrapper(messages, encoding="utf-8"))
    async with stdio_server(stdout=out) as (read, write):
        await server.run(read, write, server.create_initialization_options())
