"""A model that says what a test scripts, behind the HTTP interface that OpenAI's clients speak.

    model.calls("data_discovery", query="orders")   # first it calls a tool
    model.says("There are two datasets.")           # then, with the tool's answer before it, it speaks

Each request takes the next turn. A request when no turn is left, or a call of a tool that was not offered, is answered
with an error as the real service would, and fails the test when the fixture ends.

A bad model is scripted too: `calls_amiss`, `calls_unknown`, `fails`, `repeats` for one that goes on without end, and
`latency_s` for a slow one. At `refusing_url()` nobody answers at all.
"""

import itertools
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jsonschema


class ScriptedModel:
    """The script and what was asked. `requests` are the bodies of all requests for completions, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []
        self.problems: list[str] = []
        # How long each answer takes, seconds, and how many tokens it counts.
        self.latency_s = 0.0
        self.tokens = 2
        self.closing = threading.Event()
        self._turns: deque[list[dict[str, Any]] | str | int] = deque()
        self._last: list[dict[str, Any]] | str | int | None = None
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def says(self, text: str) -> "ScriptedModel":
        """The next turn: a text, which ends the task."""
        self._turns.append(text)
        return self

    def calls(self, tool: str, /, **arguments: Any) -> "ScriptedModel":
        """The next turn: a call of a tool, with arguments that its strict schema allows."""
        return self.calls_all((tool, arguments))

    def calls_all(self, *calls: tuple[str, dict[str, Any]]) -> "ScriptedModel":
        """The next turn: several calls at once."""
        self._turns.append([{"name": tool, "arguments": arguments, "strict": True} for tool, arguments in calls])
        return self

    def calls_amiss(self, tool: str, arguments: Any) -> "ScriptedModel":
        """The next turn: a call with arguments that a schema would not allow, a text standing for malformed JSON; or
        of a tool that was not offered."""
        self._turns.append([{"name": tool, "arguments": arguments, "strict": False}])
        return self

    def calls_unknown(self, tool: str, /, **arguments: Any) -> "ScriptedModel":
        """The next turn: a call of a tool that may not be there at all."""
        self._turns.append([{"name": tool, "arguments": arguments, "strict": False, "unknown": True}])
        return self

    def fails(self, status: int = 500) -> "ScriptedModel":
        """The next turn: an error of the server."""
        self._turns.append(status)
        return self

    def repeats(self) -> "ScriptedModel":
        """The last turn is taken again and again, as long as somebody asks."""
        self._last = self._turns.pop()
        return self

    @property
    def results(self) -> list[str]:
        """What the tools gave back, as the last request told it."""
        return [m["content"] for m in self.requests[-1]["messages"] if m["role"] == "tool"]

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The same as JSON."""
        return [json.loads(text) for text in self.results]

    @property
    def unused(self) -> int:
        return len(self._turns)

    def complete(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of the response to a request."""
        with self._lock:
            self.requests.append(request)
            if not self._turns and self._last is None:
                return self._refuse(f"request {len(self.requests)} came when no turn was left")
            turn = self._turns.popleft() if self._turns else self._last
        self.closing.wait(self.latency_s)
        if isinstance(turn, int):
            return turn, {"error": {"message": "the server is not well", "type": "server_error", "code": None}}
        message: dict[str, Any] = {"role": "assistant", "content": turn if isinstance(turn, str) else None}
        if not isinstance(turn, str):
            offered = {t["function"]["name"]: t["function"]["parameters"] for t in request.get("tools", [])}
            for call in turn:
                if call["name"] not in offered and not call.get("unknown"):
                    return self._refuse(f"tool {call['name']} was not offered; there are {sorted(offered)}")
                if call["strict"]:
                    jsonschema.validate(call["arguments"], _demanded(offered[call["name"]]))
            message["tool_calls"] = [self._call(call) for call in turn]
        return 200, {
            "id": f"chatcmpl-{next(self._numbers)}",
            "object": "chat.completion",
            "created": 0,
            "model": request.get("model", "scripted"),
            "choices": [
                {"index": 0, "message": message, "finish_reason": "stop" if isinstance(turn, str) else "tool_calls"}
            ],
            "usage": {"prompt_tokens": self.tokens - 1, "completion_tokens": 1, "total_tokens": self.tokens},
        }

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        arguments = call["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return {
            "id": f"call_{next(self._numbers)}",
            "type": "function",
            "function": {"name": call["name"], "arguments": text},
        }

    def _refuse(self, problem: str) -> tuple[int, dict[str, Any]]:
        self.problems.append(problem)
        return 400, {"error": {"message": problem, "type": "invalid_request_error", "code": None}}


def _demanded(schema: Any) -> Any:
    """The schema without the arguments that a test may leave out: a strict model would write null for them."""
    if isinstance(schema, list):
        return [_demanded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _demanded(part) for key, part in schema.items()}
    if "properties" in schema and isinstance(schema.get("required"), list):
        parts = schema["properties"]
        changed["required"] = [n for n in schema["required"] if {"type": "null"} not in parts[n].get("anyOf", [])]
    return changed


def refusing_url() -> str:
    """An address of the loopback at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """A model on a free port of the loopback, for a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = model.complete(request)
            if status == 200 and request.get("stream"):
                self._send(status, "text/event-stream", _events(body))
            else:
                self._send(status, "application/json", json.dumps(body).encode())

        def _send(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are kept in the model, not printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model = ScriptedModel(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield model
        assert not model.problems, model.problems
        assert not model.unused, f"{model.unused} turns were not taken"
    finally:
        model.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _events(body: dict[str, Any]) -> bytes:
    """The same completion as a stream: one chunk with all of it, one that ends it."""
    choice = body["choices"][0]
    calls = choice["message"].get("tool_calls", [])
    delta = {"role": "assistant", "content": choice["message"]["content"] or ""}
    if calls:
        delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
    head = {**body, "object": "chat.completion.chunk"}
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
    ]
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"
