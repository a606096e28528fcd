"""What a delimited file, or its beginning, says of itself: its encoding and its delimiter."""

import codecs
import csv
import re
from itertools import islice
from typing import BinaryIO

from core.spec.source import Encoding
from tools.sources.lines import lines_of, whole

_DELIMITERS = ",;\t|"
_HEAD = 20
_BLOCK = 1 << 20
# What of a file tells whether it is text; how many control characters and which share of it any text may have, and all
# bytes but these.
_HEAD_BYTES = 1 << 16
_FEW, _CONTROLS = 16, 0.05
_CONTROLS_1 = set(range(0x80, 0xA0))
_NO_SIGNS = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
# Bytes that are no UTF-8 come as surrogates (see lines.py). From 0xC0 on they are letters in Latin-1, of which the last
# is noise more often. With one of them beside another letter, or the euro of Windows-1252 beside a number, a line is
# text; with one that is no sign in either, or a character that was UTF-8, it is not of theirs.
_LETTER = "[\udcc0-\udcd6\udcd8-\udcf6\udcf8-\udcfe]"
_IN_TEXT = re.compile(f"[A-Za-z]{_LETTER}|{_LETTER}[a-z]|[0-9] ?\udc80|\udc80 ?[0-9]")
_NOT_THEIRS = re.compile("[\x80-\ud7ff\ue000-\U0010ffff\udc81\udc8d\udc8f\udc90\udc9d]")
_SIGN_1252 = re.compile("[\udc80-\udc9f]")
_LEAST_LINES = 3
_PRINTED = bytes(byte for byte in range(256) if byte >= 32 or byte in b"\t\n\v\f\r")


def encoding_of(file: BinaryIO) -> Encoding:
    """UTF-16 by its mark; Latin-1 if most of the lines that are not ASCII are no UTF-8, or Windows-1252 where it has
    signs that Latin-1 has not, such as the euro's; else UTF-8."""
    file.seek(0)
    if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if _is_utf8(file) or not _mostly_broken(file):
        return "utf-8"
    return "windows-1252" if _has_its_signs(file) else "latin-1"


def single_bytes(file: BinaryIO) -> tuple[Encoding, int] | None:
    """Latin-1 or Windows-1252, if a file is that beyond doubt, and the number of its lines that are not ASCII.

    All of them must be no UTF-8, print in that encoding, and have a letter of it beside another one, or a euro beside a
    number: noise and torn UTF-8 do not come so. Too few tell nothing.
    """
    found = 0
    encoding: Encoding = "latin-1"
    with lines_of(file, "utf-8") as lines:
        for line in lines:
            if not line.isascii():
                if whole(line) or not _IN_TEXT.search(line) or _NOT_THEIRS.search(line):
                    return None
                found += 1
                encoding = "windows-1252" if _SIGN_1252.search(line) else encoding
    return (encoding, found) if found >= _LEAST_LINES else None


def no_text(file: BinaryIO, encoding: Encoding) -> str | None:
    """What the beginning of a file is, if it is no text of the encoding; None if it may be.

    UTF-32 and UTF-16 by their marks, UTF-16 without one by the zeros in every other byte. Binary is what has many
    control characters, of which compressed and random data have one in ten, and texts that were torn a few.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if encoding == "utf-16":
        return None
    if encoding == "utf-8" and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    zeros = [head[first::2].count(0) for first in (0, 1)]
    if 2 * max(zeros) > len(head) // 2 and min(zeros) < max(zeros) // 4:
        return "UTF-16 without a mark"
    controls = len(head.translate(None, _PRINTED))
    return "binary, not text" if controls > max(_FEW, _CONTROLS * len(head)) else None


def delimiter_of(file: BinaryIO, encoding: Encoding) -> str:
    """The mark that makes most columns of the first lines, if most of them have as many as the header; else a comma."""
    with lines_of(file, encoding) as lines:
        head = list(islice(lines, _HEAD))
    return max(_DELIMITERS, key=lambda mark: (_width(head, mark), -_DELIMITERS.index(mark)))


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while block := file.read(_BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _has_its_signs(file: BinaryIO) -> bool:
    """Whether bytes are there that Latin-1 has for controls, and all of them are signs of Windows-1252."""
    found = False
    file.seek(0)
    while block := file.read(_BLOCK):
        controls = set(block) & _CONTROLS_1
        if controls & _NO_SIGNS:
            return False
        found = found or bool(controls)
    return found


def _mostly_broken(file: BinaryIO) -> bool:
    other = broken = 0
    with lines_of(file, "utf-8") as lines:
        for line in lines:
            if not line.isascii():
                other += 1
                broken += not whole(line)
    return 2 * broken > other


def _width(lines: list[str], mark: str) -> int:
    try:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=mark) if cells]
    except csv.Error:
        return 1
    return widths[0] if widths and 2 * widths.count(widths[0]) > len(widths) else 1
