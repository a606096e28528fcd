"""The MCP server: the tools, for every program that speaks the Model Context Protocol.

A client sees the same names, schemas and answers as a CrewAI agent. Errors are marked as such, and refusals are in the
journal; the bounds are those of the context that the server was started with.
"""

import contextlib
import hmac
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
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from core.errors import InputError
from core.settings import settings
from tools.context import ToolContext
from tools.tool import Tool, failed
from tools.toolbox import toolbox

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve_stdio(context: ToolContext) -> None:
    """Serve one client over standard input and output, until it goes."""
    anyio.run(_stdio, context)


def serve_http(context: ToolContext, host: str, port: int) -> None:
    """Serve many clients over streamable HTTP at `/mcp`, until interrupted.

    With `CREWLINE_MCP_TOKEN` set, clients must send it as bearer token. Raises InputError if others than this machine
    could reach the server and there is none.
    """
    secret = settings().mcp_token
    token = secret.get_secret_value() if secret else None
    if token is None and host not in _LOOPBACK:
        raise InputError(
            f"Anyone who reaches {host} could use the tools.",
            remedy="Set CREWLINE_MCP_TOKEN, and give it to the clients; or serve at 127.0.0.1.",
        )
    app = http_app(context, [f"{name}:{port}" for name in {host, *_LOOPBACK}], token)
    uvicorn.run(app, host=host, port=port, log_level="warning")


def http_app(context: ToolContext, hosts: list[str], token: str | None) -> Starlette:
    """The ASGI application behind `serve_http`: for requests to `hosts`, with the token if there is one."""
    sessions = StreamableHTTPSessionManager(
        _server(toolbox(context)),
        # A page that a browser has open must not reach the server by having its own name lead here.
        security_settings=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        ),
    )

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("authorization", "")
        if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            await PlainTextResponse("The bearer token is missing or wrong.", 401)(scope, receive, send)
        else:
            await sessions.handle_request(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sessions.run():
            yield

    return Starlette(routes=[Mount("/mcp", endpoint)], lifespan=lifespan)


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
            text = await anyio.to_thread.run_sync(tool.answer, arguments)
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
