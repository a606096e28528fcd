"""A real browser, without a head: what it makes of a page that lies on the disk."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")

needed = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; install it with: make browser")


def dom(page: Path) -> str:
    """The page as it is once the browser has read it and run its script."""
    return _chromium(page, "--dump-dom").stdout


def screenshot(page: Path, *, width: int = 1200, height: int = 1000) -> bytes:
    """The top of the page as a PNG."""
    picture = page.with_suffix(".png")
    _chromium(page, f"--screenshot={picture}", f"--window-size={width},{height}")
    return picture.read_bytes()


def _chromium(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # Without its sandbox it runs as root too, as in a container; it gets no host to talk to.
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    alone = ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={page.parent / 'chromium'}"]
    command = [str(CHROMIUM), *quiet, *alone, *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
