"""What of a URL may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.url import KEPT, public


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/data/what?a=b#c", "/data/what?a=b#c"),
        (
            "https://me:secret@host/openapi.json?key=secret&group=a#access_token=secret",
            "https://host/openapi.json?group=a",
        ),
        ("https://host/openapi.json?secret", "https://host/openapi.json"),
        ("s3://bucket?key=secret", "s3://bucket"),
        ("s3://lake/part-?.csv", "s3://lake/part-?.csv"),
        ("s3://lake/a#1.csv", "s3://lake/a#1.csv"),
        (
            "kafka://me:secret@host:9092?registry=http://me:secret@host:8081",
            "kafka://host:9092?registry=http://host:8081",
        ),
        ("simplecache::s3://me:secret@lake/a", "simplecache::s3://lake/a"),
        ("http://[::1]:80/a?b=secret", "http://[::1]:80/a"),
        ("http://me:secret@[::1/a", "http://"),
    ],
)
def test_a_url_is_shown_without_what_may_be_a_secret(url: str, shown: str) -> None:
    assert public(url) == shown


@given(st.text(), st.text(), st.from_regex("[a-z_]{1,10}", fullmatch=True).filter(lambda name: name not in KEPT))
def test_whatever_a_url_holds_its_secrets_are_not_shown(host: str, path: str, name: str) -> None:
    for url in (f"https://me:s3cr3t@{host}/{path}", f"s3://{host}/{path}?{name}=s3cr3t"):
        assert "s3cr3t" not in public(url)
