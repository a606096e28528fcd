"""Kafka as a source, over the wire, against the cluster that librdkafka brings along."""

import json
from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from core.errors import SourceError
from tests.web import Server
from tools.discovery.adapters import adapter
from tools.discovery.adapters.adapter import Adapter
from tools.discovery.dataset import Description, SourceType


class Cluster(NamedTuple):
    producer: Producer
    brokers: str

    def send(self, topic: str, *values: bytes, start_ms: int = 1_700_000_000_000, every_ms: int = 100) -> None:
        """Into partition 0, with these times."""
        for number, value in enumerate(values):
            self.producer.produce(topic, value, partition=0, timestamp=start_ms + number * every_ms)
        assert self.producer.flush(10) == 0


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """A cluster with a broker that listens on a port of this machine, for as long as its producer lives."""
    producer = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = producer.list_topics(timeout=10).brokers.values()
    return Cluster(producer, ",".join(f"{broker.host}:{broker.port}" for broker in brokers))


def topic(source: Adapter, name: str) -> Description:
    (found,) = source.read(f"{source.source.partition('?')[0]}/{name}")
    return found


def test_a_topic_is_known_by_its_newest_messages(cluster: Cluster) -> None:
    """Columns, nulls, the time of the last one, and how many come a second."""
    cluster.send("orders", *(json.dumps({"id": n, "note": None if n % 2 else "x"}).encode() for n in range(21)))
    source = adapter(f"kafka://{cluster.brokers}")
    assert f"kafka://{cluster.brokers}/orders" in [part.name for part in source.parts()]
    found = topic(source, "orders")
    assert [(column.name, column.type) for column in found.columns] == [("id", "int64"), ("note", "string")]
    assert found.columns[1].null_share == pytest.approx(10 / 21)
    assert (found.rows, found.rate, found.source_type) == (21, pytest.approx(10), SourceType.STREAMING)
    assert found.updated_at is not None
    assert found.updated_at.timestamp() == pytest.approx(1_700_000_002)
    sample = source.sample(found, ["id"], 5)
    assert sample is not None
    assert set(sample.column("id").to_pylist()) <= set(range(21))
    assert sample.num_rows


def test_a_topic_gets_another_version_when_messages_come(cluster: Cluster) -> None:
    cluster.send("a", b"{}")
    cluster.send("b", b"{}")
    source = adapter(f"kafka://{cluster.brokers}")
    before = dict(source.parts())
    assert dict(source.parts()) == before
    cluster.send("a", b"{}")
    after = dict(source.parts())
    assert [name for name in after if after[name] != before[name]] == [f"kafka://{cluster.brokers}/a"]


def test_messages_that_are_no_json_give_no_columns_and_some_of_them_are_told(cluster: Cluster) -> None:
    cluster.send("pictures", b"\x89PNG", b"\x89PNG")
    cluster.send("mixed", b'{"id": 1}', b"oops")
    source = adapter(f"kafka://{cluster.brokers}")
    assert (topic(source, "pictures").columns, topic(source, "pictures").format) == ((), "bytes")
    assert topic(source, "mixed").fault == "1 of 2 sampled messages of mixed are no JSON objects."


def test_a_schema_registry_says_what_messages_cannot(cluster: Cluster) -> None:
    cluster.send("payments", b"\0\0\0\0\1\2\3")
    cluster.send("free", b'{"id": 1}')
    schema = {
        "type": "record",
        "name": "Payment",
        "fields": [
            {"name": "id", "type": "long", "doc": "Its number"},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
            {"name": "note", "type": ["null", "string"]},
            {"name": "lines", "type": {"type": "array", "items": "string"}},
        ],
    }
    with Server({"/subjects/payments-value/versions/latest": json.dumps({"schema": json.dumps(schema)})}) as registry:
        source = adapter(f"kafka://{cluster.brokers}?registry={registry.url}")
        found = topic(source, "payments")
        assert topic(source, "free").format == "json"
    assert found.format == "avro"
    assert [(column.name, column.type, column.nullable) for column in found.columns] == [
        ("id", "int64", False),
        ("amount", "decimal(10, 2)", False),
        ("note", "string", True),
        ("lines", "array<string>", False),
    ]
    assert found.columns[0].description == "Its number"


def test_a_topic_that_has_disappeared_is_an_error_of_its_own(cluster: Cluster) -> None:
    source = adapter(f"kafka://{cluster.brokers}")
    with pytest.raises(SourceError):
        source.read(f"kafka://{cluster.brokers}/never-there")


def test_a_cluster_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.discovery.adapters.kafka._PATIENCE_S", 1.0)
    with pytest.raises(SourceError, match="cannot be read"):
        list(adapter("kafka://127.0.0.1:1").parts())
