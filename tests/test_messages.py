"""Messages between agents: delivered at least once, in order, between processes too."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from core import journal
from core.dataset import DatasetRef
from core.errors import InputError, RunNotFound
from core.store import Database
from delegation.consensus.consensus import Consensus
from delegation.consensus.proposal import COMPATIBLE, SchemaChange
from delegation.consensus.remote import MessageVoter
from delegation.messages.hub import Hub
from delegation.messages.lineage import conversation, exchanged
from delegation.messages.payload import (
    KINDS,
    DataRequest,
    DataResponse,
    PipelineStatus,
    read_payload,
)
from tests.child import forked
from tests.deadline import until
from tests.message_child import answer, consume, die_with_a_message
from tests.test_consensus import columns

REQUEST = DataRequest(dataset="orders", columns=("id",), purpose="to join them")
NONE = DataResponse(dataset="orders", reason="gone")


@pytest.fixture
def hub(database: Database) -> Iterator[Hub]:
    with Hub(database, redelivery_s=0.05, deliveries=3) as hub:
        for agent in ("a", "b"):
            hub.register(agent)
        yield hub


def test_a_message_is_delivered_answered_and_confirmed(hub: Hub, database: Database) -> None:
    receipt = hub.send("a", "b", REQUEST)
    assert receipt.status == "sent"
    message = hub.receive("b")
    assert message is not None
    assert (message.payload, message.sender, message.place, message.deliveries) == (REQUEST, "a", 1, 1)
    assert hub.reply(message, NONE).conversation == receipt.conversation
    back = hub.receive("a")
    assert back is not None
    assert (back.payload, back.in_reply_to, back.place) == (NONE, message.id, 2)
    assert hub.confirm(back)
    assert [m.status for m in conversation(database, receipt.conversation)] == ["confirmed", "confirmed"]
    assert hub.receive("a") is hub.receive("b") is None


def test_a_message_to_nobody_is_a_named_outcome_and_a_dead_letter(hub: Hub, database: Database) -> None:
    receipt = hub.send("a", "nowhere", REQUEST)
    assert receipt.status == "nobody"
    (dead,) = hub.dead_letters()
    assert (dead.id, dead.reason) == (receipt.id, "there is no agent 'nowhere'")
    (event,) = journal.events(database, None, kind="message.dead")
    assert event.data["to"] == "nowhere"
    assert hub.ask("a", "nowhere", REQUEST, timeout_s=5).status == "nobody"


def test_who_is_not_registered_can_neither_send_nor_receive(hub: Hub) -> None:
    with pytest.raises(InputError, match="no agent 'x'"):
        hub.send("x", "a", REQUEST)
    with pytest.raises(InputError, match="no agent 'x'"):
        hub.receive("x")
    with pytest.raises(RunNotFound, match="no run 'r'"):
        hub.send("a", "b", REQUEST, run_id="r")
    for wrong in ("", "a\0b", "x" * 201):
        with pytest.raises(InputError, match="no name of an agent"):
            hub.register(wrong)


@pytest.mark.parametrize("wrong", [{"kind": "data_request", "dataset": "orders"}, None, "orders"])
def test_what_is_no_payload_is_refused_and_so_is_a_time_that_is_none(hub: Hub, wrong: Any) -> None:
    with pytest.raises(InputError, match="one of DataRequest"):
        hub.send("a", "b", wrong)
    with pytest.raises(InputError, match="nan s"):
        hub.receive("a", timeout_s=float("nan"))
    assert hub.send("a", cast(str, None), REQUEST).status == "nobody"


@pytest.mark.parametrize(
    "option", [{"redelivery_s": 0}, {"redelivery_s": float("nan")}, {"deliveries": 0}, {"deliveries": 1.5}]
)
def test_a_hub_that_could_deliver_nothing_is_refused(database: Database, option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"to confirm is none|deliveries are none"):
        Hub(database, **option)


def test_a_message_that_is_not_confirmed_comes_again_and_is_a_dead_letter_at_last(hub: Hub, database: Database) -> None:
    sent = hub.send("a", "b", REQUEST)
    for delivery in (1, 2, 3):
        message = hub.receive("b", timeout_s=5)
        assert message is not None
        assert (message.id, message.deliveries) == (sent.id, delivery)
    assert hub.receive("b", timeout_s=0.3) is None
    (dead,) = hub.dead_letters()
    assert (dead.id, dead.deliveries, dead.reason) == (sent.id, 3, "not confirmed after 3 deliveries")
    assert not hub.confirm(message)
    (event,) = journal.events(database, None, kind="message.dead")
    assert event.data["message"] == str(sent.id)


def test_a_rejected_message_comes_again_at_once_and_dies_of_the_last_reason(database: Database) -> None:
    with Hub(database, deliveries=2) as hub:
        hub.register("a")
        hub.send("a", "a", REQUEST)
        for why in ("too early", "too late"):
            message = hub.receive("a")
            assert message is not None
            hub.reject(message, why)
        (dead,) = hub.dead_letters()
        assert dead.reason == "too late"
        assert hub.revive(dead)
        assert not hub.revive(dead)
        again = hub.receive("a")
        assert again is not None
        assert (again.id, again.deliveries) == (dead.id, 1)


def test_within_a_conversation_nothing_overtakes_but_conversations_do_not_wait_for_each_other(
    database: Database,
) -> None:
    with Hub(database) as hub:
        hub.register("a")
        for thread, n in itertools.product("xy", range(3)):
            hub.send("a", "a", PipelineStatus(pipeline="p", run="r", status=str(n)), conversation=thread)
        first, other = hub.receive("a"), hub.receive("a")
        assert first is not None
        assert other is not None
        assert [(m.conversation, m.place) for m in (first, other)] == [("x", 1), ("y", 1)]
        assert hub.receive("a") is None
        hub.confirm(first)
        second = hub.receive("a")
        assert second is not None
        assert (second.conversation, second.place) == ("x", 2)
        assert hub.receive("a", conversation="y") is None


def test_a_message_that_is_given_up_lets_those_behind_it_pass(hub: Hub) -> None:
    for _ in range(2):
        hub.send("a", "b", REQUEST, conversation="x")
    places = []
    for _ in range(4):
        message = hub.receive("b", timeout_s=5)
        assert message is not None
        places.append(message.place)
    assert places == [1, 1, 1, 2]


def test_many_senders_of_one_conversation_get_places_without_gaps_and_lose_nothing(
    hub: Hub, database: Database
) -> None:
    threads = [
        threading.Thread(target=lambda: [hub.send("a", "b", REQUEST, conversation="x") for _ in range(10)])
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message.place for message in conversation(database, "x")] == list(range(1, 51))


def test_who_waits_is_woken_by_the_message(hub: Hub) -> None:
    """Much sooner than it would look by itself."""
    hub.receive("b", timeout_s=0.01)
    timer = threading.Timer(0.1, hub.send, ("a", "b", REQUEST))
    timer.start()
    started = time.monotonic()
    assert hub.receive("b", timeout_s=10) is not None
    assert time.monotonic() - started < 0.9
    timer.join()


def test_who_waits_hears_again_after_the_connection_was_lost(hub: Hub, database_url: str) -> None:
    hub.receive("b", timeout_s=0.01)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        assert hub.send("a", "b", REQUEST).status == "sent"
        assert hub.receive("b", timeout_s=10) is not None
        listening = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        until(lambda: connection.execute(listening).fetchone())


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("gossip", {}, "'gossip' is no kind of message.*data_request"),
        ("data_request", {}, "dataset: Field required"),
        ("data_request", {"dataset": "o", "rows": [1]}, "rows: Extra inputs"),
        ("data_response", {"dataset": "o"}, "either `ref`, or the `reason`"),
        ("validation_vote", {"proposal": "p", "choice": "c", "reason": "r", "confidence": 2}, "confidence"),
        ("consensus_result", {"proposal": "p", "dataset": "d", "verdict": "v", "reached": 1, "share": "x"}, "share"),
        ("pipeline_status", "all is well", "pipeline_status: Input should be"),
    ],
)
def test_a_payload_that_is_none_of_its_kind_is_refused_with_the_place(kind: str, payload: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_payload(kind, payload)


def test_there_are_six_kinds_and_a_payload_has_a_bound(hub: Hub) -> None:
    assert sorted(KINDS) == [
        "consensus_result",
        "data_request",
        "data_response",
        "pipeline_status",
        "schema_proposal",
        "validation_vote",
    ]
    large = DataRequest(dataset="o", columns=tuple(f"{n:0200}" for n in range(400)))
    with pytest.raises(InputError, match=r"has 8\d,\d{3} bytes, and can have 64,000"):
        hub.send("a", "b", large)


def test_what_was_exchanged_is_told_by_dataset_and_by_agent(hub: Hub, database: Database, run_id: str) -> None:
    hub.send("a", "b", REQUEST, run_id=run_id)
    message = hub.receive("b")
    assert message is not None
    hub.reply(message, DataResponse(dataset="orders", ref=DatasetRef(paths=("/x",), rows=1, columns={"id": "int64"})))
    hub.send("a", "b", DataRequest(dataset="customers"))
    back = hub.receive("a")
    assert back is not None
    hub.confirm(back)
    found = exchanged(database, dataset="orders")
    assert found.agents == ("a", "b")
    assert found.edges == (("a", "b", "data_request", "orders", 1), ("b", "a", "data_response", "orders", 1))
    assert exchanged(database, run_id=run_id) == found
    assert (exchanged(database).open, exchanged(database, agent="b").open, exchanged(database, agent="c").open) == (
        1,
        1,
        0,
    )


def test_agents_in_two_processes_answer_each_other(hub: Hub, database_url: str) -> None:
    hub.register("far")
    child = forked(answer, database_url, "far")
    try:
        for _ in range(3):
            reply = hub.ask("a", "far", REQUEST, timeout_s=20)
            assert reply.status == "answered"
            assert reply.message is not None
            assert reply.message.payload == DataResponse(dataset="orders", reason=f"{child.pid} has no orders")
    finally:
        child.kill()
        child.join()
    assert hub.ask("a", "far", REQUEST, timeout_s=0.1).status == "no_answer"


def test_a_message_taken_by_a_process_that_is_killed_is_delivered_to_another(hub: Hub, database_url: str) -> None:
    hub.register("far")
    sent = hub.send("a", "far", REQUEST)
    child = forked(die_with_a_message, database_url, "far", 1.0)
    child.join(20)
    assert child.exitcode == -9
    message = hub.receive("far", timeout_s=10)
    assert message is not None
    assert (message.id, message.deliveries) == (sent.id, 2)


def test_processes_that_share_an_agent_share_its_messages_each_once_and_in_order(
    hub: Hub, database_url: str, tmp_path: Path
) -> None:
    for n in range(60):
        hub.send("a", "b", REQUEST, conversation=str(n % 7))
    paths = [tmp_path / f"{n}.txt" for n in range(3)]
    children = [forked(consume, database_url, "b", str(path)) for path in paths]
    for child in children:
        child.join(30)
    taken = [line.split() for path in paths for line in path.read_text().splitlines()]
    assert len(taken) == len({tuple(line) for line in taken}) == 60
    for path in paths:
        own = [line.split() for line in path.read_text().splitlines()]
        for name in {thread for thread, _ in own}:
            places = [int(place) for thread, place in own if thread == name]
            assert places == sorted(places)


def test_voters_in_other_processes_are_asked_by_messages(hub: Hub, database: Database, database_url: str) -> None:
    hub.register("far")
    child = forked(answer, database_url, "far")
    proposal = SchemaChange(dataset="orders", before=columns(a=None), after=columns(a=None, b=None))
    voters = [MessageVoter(hub, "far", timeout_s=20), MessageVoter(hub, "nobody", timeout_s=20)]
    try:
        result = Consensus(database, voters).decide(proposal)
    finally:
        child.kill()
        child.join()
    votes = {ballot.voter: ballot.vote.choice if ballot.vote else ballot.failure for ballot in result.ballots}
    assert votes["far"] == COMPATIBLE
    assert votes["nobody"] == "InputError: There is no agent 'nobody'. Register it with the hub first."
    assert (result.tally.reached, result.tally.counts[COMPATIBLE]) == (False, 1)
