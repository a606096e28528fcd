"""The MCP server, asked by the official client."""

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent
from typer.testing import CliRunner

from core import journal
from core.errors import InputError
from core.settings import Settings, settings
from core.store import Database
from crewline.cli import app
from crewline.mcp import http_app, serve_http
from tests.deadline import until
from tools.context import ToolContext
from tools.toolbox import toolbox


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.csv").write_text("id,amount\n1,10.00\n2,x\n")
    return tmp_path / "shop"


async def converse(session: ClientSession) -> None:
    """What every client may expect, whatever the transport."""
    await session.initialize()
    listed = {tool.name: tool for tool in (await session.list_tools()).tools}
    for tool in toolbox(ToolContext()):
        assert listed[tool.name].inputSchema == tool.args_schema.model_json_schema()
    checks = [{"check": "type", "column": "amount", "type": "float"}]
    done = await session.call_tool("data_quality", {"path": "orders.csv", "checks": checks})
    assert not done.isError
    assert json.loads(text(done))["report"]["verdicts"][0]["failed"] == 1
    refused = await session.call_tool("data_quality", {"path": "../secret.csv", "checks": checks})
    assert refused.isError
    assert json.loads(text(refused))["error"]["kind"] == "Refused"
    wrong = await session.call_tool("data_quality", {"path": 1, "exec": "rm"})
    assert wrong.isError
    assert json.loads(text(wrong))["error"]["kind"] == "InvalidArguments"
    unknown = await session.call_tool("shell", {"command": "ls"})
    assert unknown.isError
    assert "There is no tool 'shell'" in text(unknown)


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_the_tools_are_served_over_standard_input_and_output(shop: Path, database: Database) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "crewline", "mcp", "--agent", "desk"], cwd=shop, env=dict(os.environ)
    )

    async def ask() -> None:
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await converse(session)

    anyio.run(ask)
    (event,) = journal.events(database, None, kind="tool.refused")
    assert event.actor == "desk"


@contextmanager
def served(context: ToolContext, token: str | None) -> Iterator[str]:
    """The application on a free port, while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(http_app(context, [host], token), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        until(lambda: server.started)
        try:
            yield f"http://{host}/mcp/"
        finally:
            server.should_exit = True
            thread.join(20)


def test_they_are_served_over_http_to_those_who_have_the_token(shop: Path, database: Database) -> None:
    async def ask(url: str) -> None:
        async with (
            httpx.AsyncClient(headers={"Authorization": "Bearer secret"}, timeout=30) as client,
            streamable_http_client(url, http_client=client) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await converse(session)

    with served(ToolContext(roots=(str(shop),)), "secret") as url:
        anyio.run(ask, url)
        anyio.run(ask, url.rstrip("/"))
        for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "secret"}):
            assert httpx.post(url, json={}, headers=headers).status_code == 401
        rebound = {"Authorization": "Bearer secret", "Host": "evil.example", "Content-Type": "application/json"}
        assert httpx.post(url, json={}, headers=rebound).status_code in (403, 421)


def test_without_a_token_only_this_machine_is_served(configuration: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="Set CREWLINE_MCP_TOKEN"):
        serve_http(ToolContext(), "0.0.0.0", 8765)
    started: list[str] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, *, host, **options: started.append(host))
    serve_http(ToolContext(), "127.0.0.1", 8765)
    monkeypatch.setenv("CREWLINE_MCP_TOKEN", "secret")
    settings.cache_clear()
    serve_http(ToolContext(), "0.0.0.0", 8765)
    assert started == ["127.0.0.1", "0.0.0.0"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--http", "8765"], "'8765' is no address"),
        (["--http", "localhost:port"], "is no address"),
        (["--clearance", "secret"], "'secret' is no clearance"),
    ],
)
def test_what_is_wrong_with_the_options_is_told(options: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["mcp", *options])
    assert done.exit_code == 2
    assert told in done.output
