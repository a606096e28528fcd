"""A small pipeline that goes through everything: two sources, faults, enhancement, a join, groups, a target."""

import random
from pathlib import Path

from core.journal import Event, Listener

SPEC = """
name: shop
sources:
  orders:
    kind: csv
    path: data/orders-*.csv
    columns: {id: string, product: string, day: date, amount: "decimal(10,2)"}
  products:
    kind: jsonl
    path: data/products.jsonl
    columns: {code: string, category: string}
validation:
  orders:
    - {check: not_null, column: amount}
    - {check: between, column: amount, min: 0}
    - {check: unique, columns: [id]}
  products:
    - {check: unique, columns: [code]}
transformation:
  orders:
    - {rule: filter, where: "amount > 20"}
enrichment:
  orders:
    - {rule: join, dataset: products, on: {product: code}, columns: [category]}
aggregation:
  dataset: orders
  group_by: [category]
  aggregates: {orders: count(*), revenue: sum(amount)}
target: {path: out/revenue}
"""

# A pipeline that not everyone may see.
RESTRICTED = """
name: pay
sources: {o: {kind: csv, path: o.csv, columns: {a: string}}}
target: {path: out}
governance: {classification: restricted}
"""


def build(folder: Path, *, seed: int = 1, rows: int = 120, spec: str = SPEC) -> Path:
    """Write the shop's sources and its pipeline into the folder, and return the path of the pipeline.

    Of each hundred orders about eight have their day in another notation, so that the gate enhances; and there are
    copies, orphans, missing and negative amounts, words for amounts, and a torn last line.
    """
    chance = random.Random(seed)
    data = folder / "data"
    data.mkdir(parents=True)
    products = [(f"p{n}", chance.choice(["toys", "food", "tools"])) for n in range(8)]
    lines = [f'{{"code": "{code}", "category": "{category}"}}' for code, category in products]
    (data / "products.jsonl").write_text("\n".join([*lines, lines[2], '{"code": "p']) + "\n")
    for month in (1, 2):
        orders = [_order(chance, f"{month}-{n}", month) for n in range(rows // 2)]
        orders.append(orders[3])
        text = "\n".join(["id,product,day,amount", *orders])
        (data / f"orders-{month}.csv").write_text(text + ("\n" if month == 1 else "\n2-x,p1"))
    document = folder / "shop.yaml"
    document.write_text(spec)
    return document


def spoiling(folder: Path) -> Listener:
    """A listener of a run of the pipeline in the folder, which takes a file away once the run is planned."""
    file = folder / "data" / "products.jsonl"

    def listen(event: Event) -> None:
        if event.kind == "round.started":
            file.unlink(missing_ok=True)

    return listen


def _order(chance: random.Random, identity: str, month: int) -> str:
    day, product = chance.randint(1, 28), f"p{chance.randint(0, 6)}"
    when, amount = f"2025-{month:02}-{day:02}", f"{chance.randint(50, 90000) / 100:.2f}"
    fault = chance.random()
    if fault < 0.08:
        when = f"{day:02}.{month:02}.2025"
    elif fault < 0.10:
        product = "p99"
    elif fault < 0.12:
        amount = chance.choice(["", "n/a"])
    elif fault < 0.13:
        amount = "-5.00"
    elif fault < 0.14:
        amount = "dear"
    elif fault < 0.16:
        amount = f"${amount}"
    return f"{identity},{product},{when},{amount}"
