"""Truth values as people write them."""

TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")


def plain(text: str) -> str:
    """`true` or `false` for their usual spellings; any other text as it is."""
    lower = text.lower()
    return "true" if lower in TRUE else "false" if lower in FALSE else text
