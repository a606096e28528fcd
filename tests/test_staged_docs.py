"""The page on staged pipelines is true: its code prints what it says."""

from pathlib import Path

import pytest

from core.settings import Settings
from tests.test_docs import ROOT, blocks, keeps_its_word

PAGE = (ROOT / "docs" / "staged.md").read_text()


@pytest.mark.parametrize("code", blocks(PAGE, "python"))
def test_the_code_of_the_page_prints_what_it_says(code: str, tmp_path: Path, configuration: Settings) -> None:
    keeps_its_word(code, tmp_path)
