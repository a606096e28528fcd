"""The page on planning is true: its commands work, its code prints what it says."""

from pathlib import Path

import pytest

from core.settings import Settings
from tests import warm
from tests.test_docs import ROOT, blocks, folder, keeps_its_word

PAGE = (ROOT / "docs" / "planning.md").read_text()

__all__ = ["folder"]


def test_the_commands_of_the_page_go_from_a_goal_to_a_published_dataset(folder: Path) -> None:
    (block,) = blocks(PAGE, "bash")
    for command in block.splitlines():
        done = warm.command(command, folder)
        assert done.returncode == 0, done.stderr
    assert "status   published" in done.stdout


@pytest.mark.parametrize("code", blocks(PAGE, "python"), ids=("goal", "domain", "failure"))
def test_the_code_of_the_page_prints_what_it_says(code: str, folder: Path, configuration: Settings) -> None:
    keeps_its_word(code, folder)
