"""Domains written for the tests: those that planning courses use (travel, blocks world, logistics), and many tasks."""

from graphs.planning import Action, Domain, Method
from graphs.planning.term import Binding, Term


def travel() -> Domain:
    """Somebody goes somewhere on foot where it is near, by taxi where the money suffices, by bus where one goes."""
    distance = {("home", "park"): 8, ("home", "inn"): 2}

    def far(binding: Binding) -> int:
        return distance.get((binding["?from"], binding["?to"])) or distance[binding["?to"], binding["?from"]]

    ride = [("at", "?who", "?from"), ("taxi", "?who", "?from")]
    return Domain("travel").add(
        Action(
            ("walk", "?who", "?from", "?to"),
            needs=[("at", "?who", "?from")],
            adds=[("at", "?who", "?to")],
            removes=[("at", "?who", "?from")],
            duration_s=lambda b: 12 * far(b),
        ),
        Action(("call", "?who", "?place"), needs=[("at", "?who", "?place")], adds=[("taxi", "?who", "?place")]),
        Action(
            ("ride", "?who", "?from", "?to"),
            needs=ride,
            adds=[("at", "?who", "?to"), ("owes", "?who")],
            removes=ride,
            duration_s=lambda b: 2 * far(b),
            success=0.99,
            risk="taxis are stuck in traffic",
        ),
        Action(
            ("pay", "?who"),
            needs=[("owes", "?who"), ("money", "?who", "?much")],
            adds=lambda b: [("money", b["?who"], b["?much"] - 5)],
            removes=[("owes", "?who"), ("money", "?who", "?much")],
            where=lambda b: b["?much"] >= 5,
        ),
        Method(
            ("travel", "?who", "?to"),
            name="stay",
            needs=[("at", "?who", "?to")],
        ),
        Method(
            ("travel", "?who", "?to"),
            name="walk",
            needs=[("at", "?who", "?from")],
            where=lambda b: b["?from"] != b["?to"] and far(b) <= 4,
            subtasks=[("walk", "?who", "?from", "?to")],
        ),
        Method(
            ("travel", "?who", "?to"),
            name="taxi",
            needs=[("at", "?who", "?from")],
            where=lambda b: b["?from"] != b["?to"],
            subtasks=[("call", "?who", "?from"), ("ride", "?who", "?from", "?to"), ("pay", "?who")],
        ),
    )


def blocks() -> Domain:
    """Towers of blocks, rebuilt by moving what is clear: onto another clear one, or onto the table."""
    return Domain("blocks").add(
        Action(
            ("put", "?x", "?y"),
            needs=[("clear", "?x"), ("clear", "?y"), ("on", "?x", "?z")],
            where=lambda b: b["?x"] != b["?y"] and b["?y"] != "table",
            adds=lambda b: [("on", b["?x"], b["?y"]), *([] if b["?z"] == "table" else [("clear", b["?z"])])],
            removes=[("on", "?x", "?z"), ("clear", "?y")],
            duration_s=1,
        ),
        Action(
            ("put down", "?x"),
            needs=[("clear", "?x"), ("on", "?x", "?z")],
            where=lambda b: b["?z"] != "table",
            adds=[("on", "?x", "table"), ("clear", "?z")],
            removes=[("on", "?x", "?z")],
            duration_s=1,
        ),
        # A goal names what stands on what, from below; each is brought about, and what is in the way put down.
        Method(("stack", "?x", "?y"), name="stands", needs=[("on", "?x", "?y")]),
        Method(
            ("stack", "?x", "?y"),
            name="move",
            unless=[("on", "?x", "?y")],
            subtasks=[("free", "?x"), ("free", "?y"), ("place", "?x", "?y")],
        ),
        Method(("place", "?x", "?y"), where=lambda b: b["?y"] != "table", subtasks=[("put", "?x", "?y")]),
        Method(("place", "?x", "table"), name="on the table", subtasks=[("put down", "?x")]),
        Method(("place", "?x", "table"), name="it is there", needs=[("on", "?x", "table")]),
        Method(("free", "table"), name="there is room"),
        Method(("free", "?x"), name="is clear", needs=[("clear", "?x")]),
        Method(
            ("free", "?x"),
            name="clear it",
            needs=[("on", "?z", "?x")],
            where=lambda b: b["?x"] != "table",
            subtasks=[("free", "?z"), ("put down", "?z")],
        ),
    )


def towers(*stacks: str) -> list[Term]:
    """The facts of towers, each told from the top down: `towers("abc")` has a on b on c."""
    facts: list[Term] = []
    for stack in stacks:
        facts.append(("clear", stack[0]))
        facts += [("on", x, y) for x, y in zip(stack, [*stack[1:], "table"], strict=True)]
    return facts


def logistics() -> Domain:
    """Packages by truck within a city, by plane between airports."""
    return Domain("logistics").add(
        Action(
            ("load", "?p", "?v"),
            needs=[("at", "?v", "?place"), ("at", "?p", "?place")],
            adds=[("in", "?p", "?v")],
            removes=[("at", "?p", "?place")],
            duration_s=1,
        ),
        Action(
            ("unload", "?p", "?v"),
            needs=[("in", "?p", "?v"), ("at", "?v", "?place")],
            adds=[("at", "?p", "?place")],
            removes=[("in", "?p", "?v")],
            duration_s=1,
        ),
        Action(
            ("drive", "?v", "?to"),
            needs=[("truck", "?v"), ("at", "?v", "?from"), ("city", "?from", "?c"), ("city", "?to", "?c")],
            where=lambda b: b["?from"] != b["?to"],
            adds=[("at", "?v", "?to")],
            removes=[("at", "?v", "?from")],
            duration_s=5,
            realises="move",
        ),
        Action(
            ("fly", "?v", "?to"),
            needs=[("plane", "?v"), ("at", "?v", "?from"), ("airport", "?to")],
            where=lambda b: b["?from"] != b["?to"],
            adds=[("at", "?v", "?to")],
            removes=[("at", "?v", "?from")],
            duration_s=20,
            realises="move",
        ),
        Method(("bring", "?v", "?place"), name="it is there", needs=[("at", "?v", "?place")]),
        Method(("bring", "?v", "?place"), unless=[("at", "?v", "?place")], subtasks=[("move", "?v", "?place")]),
        Method(("deliver", "?p", "?to"), name="it is there", needs=[("at", "?p", "?to")]),
        Method(
            ("deliver", "?p", "?to"),
            name="within the city",
            needs=[("at", "?p", "?from"), ("city", "?from", "?c"), ("city", "?to", "?c"), ("truck", "?v")],
            where=lambda b: b["?from"] != b["?to"],
            subtasks=[("bring", "?v", "?from"), ("load", "?p", "?v"), ("bring", "?v", "?to"), ("unload", "?p", "?v")],
        ),
        Method(
            ("deliver", "?p", "?to"),
            name="by air",
            needs=[
                *[("at", "?p", "?from"), ("city", "?from", "?c"), ("city", "?to", "?d")],
                *[("airport", "?a"), ("city", "?a", "?c"), ("airport", "?b"), ("city", "?b", "?d"), ("plane", "?v")],
            ],
            where=lambda b: b["?c"] != b["?d"],
            subtasks=[
                ("deliver", "?p", "?a"),
                ("bring", "?v", "?a"),
                ("load", "?p", "?v"),
                ("bring", "?v", "?b"),
                ("unload", "?p", "?v"),
                ("deliver", "?p", "?to"),
            ],
        ),
    )


def many(number: int) -> tuple[Domain, list[Term]]:
    """So many tasks, each in one of three ways, of which the cheapest is open to every other one only."""
    domain = Domain("many").add(
        Action(("plain", "?i"), needs=[("todo", "?i")], removes=[("todo", "?i")], duration_s=2, success=0.9999),
        Action(("quick", "?i"), needs=[("todo", "?i")], adds=[("left", "?i")], duration_s=1.5),
        Action(("slow", "?i"), adds=[("done", "?i")], duration_s=4),
        Method(("one", "?i"), name="plain", subtasks=[("plain", "?i")]),
        Method(("one", "?i"), name="quick", subtasks=[("quick", "?i")], needs=[("odd", "?i")]),
        Method(("one", "?i"), name="slow", subtasks=[("slow", "?i")]),
        Method(("all", "?n"), subtasks=lambda b: [("one", i) for i in range(b["?n"])]),
    )
    return domain, [*[("todo", i) for i in range(number)], *[("odd", i) for i in range(1, number, 2)]]
