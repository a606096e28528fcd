"""The roster: the agents that there are, by level, by skill, and by whose peers they are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

from core.errors import InputError
from delegation.card import AgentCard, Authority


class Roster:
    """Cards, indexed. Raises InputError when two cards have one id."""

    def __init__(self, cards: Iterable[AgentCard]) -> None:
        self.cards: dict[str, AgentCard] = {}
        for card in cards:
            if card.id in self.cards:
                raise InputError(f"Two cards have the id '{card.id}'.", remedy="Give each agent an id of its own.")
            self.cards[card.id] = card
        self._peers: dict[str, set[str]] = defaultdict(set)
        self._of_level: dict[Authority, list[str]] = defaultdict(list)
        self._skilled: dict[tuple[Authority, str], list[str]] = defaultdict(list)
        for card in sorted(self.cards.values(), key=lambda card: card.id):
            self._add(card)
        for (_, skill), agents in self._skilled.items():
            agents.sort(key=lambda agent: -self.cards[agent].skills[skill])

    def are_peers(self, one: str, other: str) -> bool:
        """Whether they may ask each other: it is mutual, on whichever card it stands."""
        return other in self._peers.get(one, ())

    def peers(self, agent: str, skill: str) -> list[AgentCard]:
        """The peer network of an agent, best in the skill first, then by id; empty for an agent without any."""
        cards = [self.cards[peer] for peer in self._peers.get(agent, ()) if peer in self.cards]
        return sorted(cards, key=lambda card: (-card.skills.get(skill, 0.0), card.id))

    def best(self, level: Authority, skill: str) -> Iterator[AgentCard]:
        """The agents of a level: those with the skill, best first, then the others, each by id."""
        skilled = self._skilled.get((level, skill), ())
        others = (agent for agent in self._of_level.get(level, ()) if skill not in self.cards[agent].skills)
        return (self.cards[agent] for agent in chain(skilled, others))

    def _add(self, card: AgentCard) -> None:
        self._of_level[card.authority].append(card.id)
        for skill in card.skills:
            self._skilled[card.authority, skill].append(card.id)
        for peer in card.peers - {card.id}:
            self._peers[card.id].add(peer)
            self._peers[peer].add(card.id)
