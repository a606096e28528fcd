"""Patterns (RE2) in the dialect of Java, where both mean the same by them."""

import re

# What is read alike by both: plain characters, escaped punctuation, \d, \w and \s-free classes, groups, repetition.
_TOKEN = re.compile(
    r"""
      (?P<plain>[^\\\[\](){}.*+?|^$&])
    | (?P<escaped>\\[^\w\x80-\U0010ffff])
    | (?P<digit>\\d)
    | (?P<group>\(\?:|\((?!\?))
    | (?P<close>\))
    | (?P<choice>\|)
    | (?P<any>\.)
    | (?P<start>\^)
    | (?P<end>\$)
    | (?P<class>\[\^?(?:\\d|\\[^\w\x80-\U0010ffff]|[^\\\[\]&^\x80-\U0010ffff-]|(?<=[A-Za-z0-9])-(?=[A-Za-z0-9]))+\])
    | (?P<times>(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??)
    """,
    re.VERBOSE | re.ASCII,
)


def in_java(pattern: str) -> str | None:
    """The pattern as Java writes it; None if it has something that the two might read differently."""
    written, place, repeatable = [], 0, False
    while place < len(pattern):
        token = _TOKEN.match(pattern, place)
        # What is repeated twice is an error for one of them, and possessive for the other.
        if token is None or (token.lastgroup == "times" and not repeatable):
            return None
        repeatable = token.lastgroup not in ("times", "group", "choice", "start", "end")
        # Java's $ stands before a last line end too, and its dot does not stand for a carriage return.
        written.append({"end": r"\z", "any": r"[^\n]"}.get(str(token.lastgroup), token[0]))
        place = token.end()
    return "".join(written)
