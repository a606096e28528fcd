"""A web server of the test's own, with its documents, its silences and its failures."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import EllipsisType, TracebackType


class Server:
    """Serves texts by path on a port of this machine, each with its ETag, while its block runs.

    An integer in the place of a text is the status of a failure, None the silence of a server that has hung; `...`
    begins well, and then sends a byte every now and then, as long as it runs. `asked`
    are the paths of the requests so far.
    """

    def __init__(self, documents: dict[str, str | int | EllipsisType | None]) -> None:
        self.documents = documents
        self.asked: list[str] = []
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        document = self.documents.get(request.path, 404)
        if document is None:
            self._over.wait()
        elif document is ...:
            request.send_response(200)
            request.end_headers()
            with suppress(OSError):
                while not self._over.wait(0.05):
                    request.wfile.write(b" ")
        elif isinstance(document, int):
            request.send_response(document)
            if 300 <= document < 400:
                request.send_header("Location", "/elsewhere")
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            content = document.encode()
            request.send_response(200)
            request.send_header("ETag", f'"{hash(document)}"')
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
