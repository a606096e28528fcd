"""The parts of a benchmark, of which a command line names those to be measured."""

import argparse
from collections.abc import Callable, Mapping


def measure(parts: Mapping[str, Callable[[], None]], about: str | None) -> None:
    """Measure the parts that are named on the command line, one after the other; all, if none is named."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *parts], help="All, if none is named.")
    for part in parser.parse_args().parts or parts:
        parts[part]()
