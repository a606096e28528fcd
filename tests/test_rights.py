"""Rights: what two of them share, and what they leave of a tool's context."""

from pathlib import Path

import pytest

from core.errors import Refused
from delegation import Rights
from delegation.rules import Resources
from tools.context import ToolContext
from tools.engine.limits import Limits


def test_two_rights_share_the_inner_places_the_lower_clearance_and_the_lower_limits() -> None:
    one = Rights(roots=("/data", "s3://lake/raw"), clearance="confidential", resources=Resources(cpu=4, hours=2))
    other = Rights(
        roots=("/data/orders", "/database", "s3://lake"),
        clearance="restricted",
        task_types=frozenset({"code_review"}),
        resources=Resources(cpu=8),
    )
    assert one & other == Rights(
        roots=("s3://lake/raw", "/data/orders"),
        clearance="confidential",
        task_types=frozenset({"code_review"}),
        resources=Resources(cpu=4, hours=2),
    )
    assert (one & other) <= one
    assert (one & other) <= other
    assert not other <= one


def test_a_link_below_a_root_does_not_lead_out_of_it(tmp_path: Path) -> None:
    """As it is written, `inside/link` is below `inside`."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    inside = Rights(roots=(str(tmp_path / "inside"),))
    assert (inside & Rights(roots=(str(tmp_path / "inside" / "link"),))).roots == ()
    assert (inside & Rights(roots=(str(tmp_path / "inside" / ".." / "outside"),))).roots == ()


def test_a_context_is_narrowed_to_the_rights(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    context = ToolContext(roots=(str(tmp_path),), clearance="restricted", limits=Limits(threads=4, memory_mb=4000))
    rights = Rights(roots=(str(tmp_path / "a"),), resources=Resources(cpu=2.5, memory=1))
    narrow = rights.bound(context)
    assert narrow.roots == (str((tmp_path / "a").resolve()),)
    assert (narrow.clearance, narrow.limits) == ("internal", Limits(threads=2, memory_mb=1000))
    with pytest.raises(Refused):
        narrow.path(str(tmp_path / "b.csv"))
    assert Rights(roots=(str(tmp_path),), clearance="restricted").bound(context).limits == context.limits


def test_rights_of_which_nothing_is_left_make_no_context(tmp_path: Path) -> None:
    context = ToolContext(roots=(str(tmp_path),))
    with pytest.raises(Refused, match="open no place"):
        Rights(roots=("/elsewhere",)).bound(context)
    with pytest.raises(Refused, match="0 threads and 1024 MB are too little"):
        Rights(roots=(str(tmp_path),), resources=Resources(cpu=0.5)).bound(context)


def test_a_root_that_became_a_link_since_the_rights_were_given_is_refused(tmp_path: Path) -> None:
    """Whoever may write above it could open any place so."""
    granted = tmp_path / "granted"
    granted.mkdir()
    rights = Rights(roots=(str(granted),))
    granted.rmdir()
    granted.symlink_to("/etc")
    with pytest.raises(Refused, match="become a link"):
        rights.bound(ToolContext(roots=("/",)))
