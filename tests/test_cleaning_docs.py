"""The page on cleaning is true: its commands and its code are run, its rules are those that there are."""

import csv
import random
import re
from pathlib import Path

from tests import dirt, warm
from tests.test_docs import ROOT, blocks
from tools.quality.cleaning import (
    calendar,
    corruption,
    exchange,
    notation,
    outlier,
    padding,
    shape,
    spill,
    typo,
    unit,
    variant,
    vote,
)
from tools.quality.cleaning.plausibility import Kind

PAGE = (ROOT / "docs" / "cleaning.md").read_text()


def test_the_commands_and_the_code_of_the_page_work(tmp_path: Path) -> None:
    table = dirt.orders(random.Random(1), 200)
    with (tmp_path / "orders.csv").open("w", newline="") as file:
        csv.writer(file).writerows([list(table), *zip(*table.values(), strict=True)])
    for block in blocks(PAGE, "bash"):
        for command in block.splitlines():
            done = warm.command(command, tmp_path)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
    (code,) = blocks(PAGE, "python")
    done = warm.python(code, tmp_path)
    assert done.stdout.startswith("True\n"), done.stderr


def test_the_page_lists_every_rule() -> None:
    table = PAGE[PAGE.index("## The evidence") : PAGE.index("Groups come from")]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    listed = {rule for cell in first for rule in re.findall(r"`([:a-z]+)`", cell)}
    modules = (calendar, corruption, exchange, notation, padding, shape, spill, typo, unit, variant, vote)
    rules = {module.RULE for module in modules} | {outlier.OUTLIER, outlier.ENCODING}
    assert {rule for rule in listed if ":" not in rule} == rules
    assert {rule.split(":")[1] for rule in listed if ":" in rule} == set(Kind)
