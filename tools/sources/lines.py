"""The lines of a text file, numbered as an editor numbers them, with nothing lost that cannot be decoded."""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tools.engine.files import open_file

_KEEP = "crewline.keep"
_KEPT = re.compile("[\udc00-\udcff]")
_END = re.compile(r"\r\n|\r|\n")


@contextmanager
def open_lines(path: str, encoding: str) -> Iterator[Iterator[str]]:
    """The lines with their ends, which are LF, CRLF or CR, also mixed.

    A byte order mark is left out; bytes that are no text of the encoding come as single surrogates (see `whole`).
    """
    with open_file(path) as file, lines_of(file, encoding) as lines:
        yield lines


@contextmanager
def lines_of(file: BinaryIO, encoding: str) -> Iterator[Iterator[str]]:
    """The same for a file that is open: from its beginning, and it stays open."""
    file.seek(0)
    codec = _codec(encoding, file.read(2))
    file.seek(0)
    lines = io.TextIOWrapper(file, encoding=codec, errors=_KEEP, newline="")
    try:
        yield lines
    finally:
        lines.detach()


def whole(text: str) -> bool:
    """Whether all bytes of the text could be decoded."""
    return text.isascii() or _KEPT.search(text) is None


def shown(text: str) -> str:
    """The text with the bytes that could not be decoded as escapes, such as `\\xe9`."""
    return _KEPT.sub(lambda kept: f"\\x{ord(kept[0]) - 0xDC00:02x}", text)


def count_lines(text: str) -> int:
    """The lines that a text without its last line end goes over."""
    return 1 + len(_END.findall(text))


def _codec(encoding: str, start: bytes) -> str:
    if encoding == "utf-8":
        return "utf-8-sig"
    if encoding == "utf-16" and start not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
    return encoding


def _keep(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_KEEP, _keep)
