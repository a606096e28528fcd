"""Agents in processes of their own, who answer messages."""

import os
import signal

from core.store import Database
from delegation.messages.hub import Hub
from delegation.messages.payload import DataRequest, DataResponse, SchemaProposal, ValidationVote


def answer(url: str, agent: str, redelivery_s: float = 30.0) -> None:
    """Answer each request for data, and vote for each proposal, until killed."""
    database = Database(url, wait_s=5).open()
    hub = Hub(database, redelivery_s=redelivery_s)
    hub.register(agent)
    while True:
        message = hub.receive(agent, timeout_s=30)
        if message and isinstance(message.payload, DataRequest):
            reason = f"{os.getpid()} has no {message.payload.dataset}"
            hub.reply(message, DataResponse(dataset=message.payload.dataset, reason=reason))
        elif message and isinstance(message.payload, SchemaProposal):
            proposal = message.payload.proposal
            hub.reply(message, ValidationVote(proposal=proposal, choice="compatible", reason="seen from afar"))


def die_with_a_message(url: str, agent: str, redelivery_s: float) -> None:
    """Take a message, and be killed before it is confirmed."""
    hub = Hub(Database(url, wait_s=5).open(), redelivery_s=redelivery_s)
    hub.receive(agent, timeout_s=30)
    os.kill(os.getpid(), signal.SIGKILL)


def consume(url: str, agent: str, path: str) -> None:
    """Take messages until there is none for a second, and write down their conversations and places."""
    database = Database(url, wait_s=5).open()
    hub = Hub(database)
    with open(path, "w") as file:
        while message := hub.receive(agent, timeout_s=1):
            file.write(f"{message.conversation} {message.place}\n")
            file.flush()
            hub.confirm(message)
    hub.close()
    database.close()
