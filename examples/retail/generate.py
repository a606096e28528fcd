"""Writes a year of retail orders with known faults, and truth.csv: the place and clean value of each fault.

The same number of orders and the same seed give the same bytes.
"""

import argparse
import json
import random
import shutil
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

HERE = Path(__file__).resolve().parent
YEAR = 2025
MIN_ORDERS = 200
MAX_ORDERS = 9_999_999  # seven digits of order_id

# Shares of the orders; the fixed counts hold for any number of orders.
ORDER_RATES = {
    "date_format": 0.05,
    "case_space": 0.04,
    "missing": 0.016,
    "duplicate": 0.015,
    "number_format": 0.008,
    "impossible": 0.007,
    "orphan_key": 0.006,
    "wrong_type": 0.005,
    "unknown_value": 0.002,
    "ragged": 0.001,
}
MIN_RAGGED = 2
ENCODING_FAULTS = 2
CUSTOMER_RATES = {"case_space": 0.03, "date_format": 0.01}
CUSTOMER_DUPLICATES = 2
PRODUCT_FAULTS = {"case_space": 3, "duplicate": 1}

ORDERS_PER_CUSTOMER = 8
MAX_CUSTOMERS = 89_999  # C-9xxxx stays free for orphan keys
ORDERS_PER_PRODUCT = 50
MIN_PRODUCTS, MAX_PRODUCTS = 60, 400  # P-9xx stays free for orphan keys
DEAR_CENTS = 110_000  # an order of such a product costs over 1,000 even at the lowest price
NOTE_SHARE = 0.12

TRUTH_COLUMNS = ("dataset", "file", "line", "key", "column", "fault", "clean", "dirty")
CUSTOMER_COLUMNS = ("customer_id", "name", "email", "region", "joined_on")
ORDER_COLUMNS = (
    "order_id",
    "customer_id",
    "product_id",
    "ordered_on",
    "quantity",
    "unit_price",
    "status",
    "channel",
    "note",
)
STATUSES = ("placed", "shipped", "delivered", "returned", "cancelled")
STATUS_SHARES = (8, 19, 90, 96, 100)  # cumulative
CHANNELS = ("web", "store", "phone")
CHANNEL_SHARES = (62, 92, 100)  # cumulative
REGIONS = ("North", "South", "East", "West")
MONTH_WEIGHTS = (8, 8, 9, 9, 10, 10, 9, 9, 10, 11, 15, 18)
WEEKDAY_WEIGHTS = (10, 9, 9, 10, 12, 14, 12)

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BLANKS = ("", "N/A", "-", "null")
WRONG_TYPES = (
    ("quantity", "three"),
    ("unit_price", "free"),
    ("ordered_on", "soon"),
    ("quantity", "1.7.2"),
    ("unit_price", "12..50"),
    ("ordered_on", "2025-02-30"),
    ("quantity", "?"),
    ("ordered_on", "20225-01-01"),
)
UNKNOWN_VALUES = (
    ("status", "quarantine"),
    ("channel", "pigeon"),
    ("status", "mythical"),
    ("channel", "zeppelin"),
    ("status", "unobtainium"),
    ("channel", "bagpipe"),
)
ID_PADS = (("", ""), ("", " "))
WORD_PADS = (("", ""), ("", " "), (" ", ""), (" ", " "))

# Typical prices, in whole units of money.
GOODS = {
    "Home": "Sofa 1350,Floor Lamp 89,Desk Chair 240,Bookshelf 160,Wool Rug 320,Duvet 95,"
    "Coffee Table 210,Wall Clock 35,Mirror 75,Curtain 42,Café Cup 9,Storage Box 14",
    "Garden": "Pavilion 1480,Lawn Mower 430,Hedge Shears 38,Watering Can 17,Planter 29,Hose 33,"
    "Bird Bath 65,Parasol 120,Fire Bowl 180,Spade 27,Seed Mix 3,Potting Soil 8",
    "Toys": "Train Set 115,Building Blocks 45,Puzzle 16,Doll House 139,Plush Bear 22,Kite 19,"
    "Board Game 34,Marble Run 58,Toy Kitchen 149,Yo-Yo 4,Card Game 11,Scooter 79",
    "Sports": "Treadmill 1560,Road Bike 1290,Rowing Machine 890,Tent 260,Yoga Mat 28,Football 24,"
    "Racket 110,Dumbbell 36,Rucksack 85,Helmet 62,Water Bottle 13,Skipping Rope 7",
    "Grocery": "Ground Coffee 8,Olive Oil 12,Green Tea 5,Müsli 4,Dark Chocolate 3,Honey 7,"
    "Rice 4,Pasta 2,Tomato Sauce 3,Crème Fraîche 2,Almonds 9,Oat Biscuits 1",
}
MAKES = ("Classic", "Nordic", "Compact", "Premium", "Everyday", "Heritage", "Studio")
FIRST_NAMES = ("Anna", "Ben", "Chloé", "Femi", "Hugo", "Ines", "Jürgen", "Lena", "Noah", "Priya", "Zoé")
LAST_NAMES = ("Costa", "Dupré", "Evans", "García", "Haddad", "Jensen", "Müller", "O'Brien", "Rossi", "Tanaka")
NOTES = (
    "Gift wrap",
    "Leave with the neighbour",
    "Ring twice",
    "Second attempt",
    "Back door, please",
    "Call before delivery, after 17:00",
    "Blue, not green",
    "Fragile, this side up",
    'Customer said "no rush"',
    'Gift card: "Happy birthday, Zoé"',
    'Engraving "M & J", silver',
    "Collect in store",
    "Replaces a damaged item",
    "Invoice to head office",
    "Entrance next to Café Central",
    "Für das Büro im 2. Stock",
    "Loyalty points applied",
    "Paid in two parts, see invoice",
)
LATIN1_NOTES = ("Leave it at the café", "Büro, second floor")


@dataclass(frozen=True)
class Fault:
    key: str
    column: str
    kind: str
    clean: str
    dirty: str


class Planned(NamedTuple):
    kind: str
    turn: int  # counts the faults of a kind, so that its variants get equal shares


class Product(NamedTuple):
    product_id: str
    name: str
    category: str
    cents: int

    def line(self, category: str) -> str:
        row = {"product_id": self.product_id, "name": self.name, "category": category}
        return json.dumps(row | {"list_price": self.cents / 100}, ensure_ascii=False)


class Day(NamedTuple):
    date: date
    orders: range


Row = dict[str, str]
Line = tuple[bytes, Fault | None]
PRISTINE = Planned("", 0)


def csv_line(values: Iterable[str]) -> str:
    quoted = ('"' + v.replace('"', '""') + '"' if "," in v or '"' in v else v for v in values)
    return ",".join(quoted)


class DataFile:
    """A file being written line by line, with its faults noted in truth.csv."""

    def __init__(self, root: Path, dataset: str, name: str, truth: BinaryIO) -> None:
        self.dataset, self.name, self.truth = dataset, name, truth
        self.lines = self.rows = self.faults = 0
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.out = path.open("wb")

    def header(self, columns: Iterable[str]) -> None:
        self.lines += 1
        self.out.write(csv_line(columns).encode() + b"\n")

    def put(self, raw: bytes, fault: Fault | None) -> None:
        self.lines += 1
        self.rows += 1
        self.out.write(raw if fault and fault.kind == "truncated_tail" else raw + b"\n")
        if fault:
            self.faults += 1
            place = (self.dataset, self.name, str(self.lines), fault.key)
            found = (fault.column, fault.kind, fault.clean, fault.dirty)
            self.truth.write(csv_line(place + found).encode() + b"\n")

    def close(self) -> int:
        self.out.close()
        print(f"{self.name} {self.rows}")
        return self.faults


def whole_row(key: str, kind: str, clean: str, raw: bytes) -> Line:
    return raw, Fault(key, "", kind, clean, raw.decode(errors="backslashreplace"))


def assign(counts: dict[str, int], picks: Iterable[int]) -> dict[int, Planned]:
    kinds = (Planned(kind, turn) for kind, count in counts.items() for turn in range(count))
    return dict(zip(picks, kinds, strict=True))


def stray(value: str, pads: Iterable[tuple[str, str]], rng: random.Random) -> str:
    cases = dict.fromkeys((value, value.lower(), value.upper(), value.title()))
    options = [before + case + after for case in cases for before, after in pads]
    return rng.choice([option for option in options if option != value])


def write_rows(file: DataFile, numbers: range, make: Callable[[int], list[Line]], rng: random.Random) -> None:
    """The first line made for a number is written at once, the others at random later places."""
    later: defaultdict[int, list[Line]] = defaultdict(list)
    for number in numbers:
        line, *copies = make(number)
        file.put(*line)
        for copy in copies:
            # Before the last row: in December that one must stay last.
            later[rng.randint(number, numbers[-2])].append(copy)
        for copy in later.pop(number, []):
            file.put(*copy)


def make_products(count: int, rng: random.Random) -> list[Product]:
    goods = [(category, names.split(",")) for category, names in GOODS.items()]
    products = []
    for number in range(count):
        category, names = goods[number % len(goods)]
        name, price = names[number // len(goods) % len(names)].rsplit(" ", 1)
        make = MAKES[(number + number // MIN_PRODUCTS) % len(MAKES)]
        cents = int(price) * rng.randint(85, 115) + rng.choice((0, 49, 50, 95, 99))
        products.append(Product(f"P-{number + 1:03d}", f"{make} {name}", category, cents))
    return products


def write_products(file: DataFile, products: list[Product], rng: random.Random) -> int:
    # The last product is never copied, so that a copy always has a later place to go to.
    picks = rng.sample(range(len(products) - 1), sum(PRODUCT_FAULTS.values()) + 1)
    torn = products[picks.pop()]
    plan = assign(PRODUCT_FAULTS, picks)

    def make(number: int) -> list[Line]:
        product, kind = products[number], plan.get(number, PRISTINE).kind
        key, clean = product.product_id, product.category
        raw = product.line(clean).encode()
        if kind == "duplicate":
            return [(raw, None), whole_row(key, kind, key, raw)]
        if kind == "case_space":
            dirty = stray(clean, WORD_PADS, rng)
            return [(product.line(dirty).encode(), Fault(key, "category", kind, clean, dirty))]
        return [(raw, None)]

    write_rows(file, range(len(products)), make, rng)
    line = torn.line(torn.category)
    file.put(*whole_row(torn.product_id, "truncated_tail", line, line[: len(line) // 2].encode()))
    return file.close()


def customer_row(number: int, rng: random.Random) -> Row:
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode()
    mailbox = plain.replace("'", "").lower()
    joined = date(2018, 1, 1) + timedelta(days=rng.randrange(7 * 365))
    return {
        "customer_id": f"C-{number:05d}",
        "name": f"{first} {last}",
        "email": f"{mailbox}{number}@example.{rng.choice(('com', 'org', 'net'))}",
        "region": rng.choice(REGIONS),
        "joined_on": joined.isoformat(),
    }


def write_customers(file: DataFile, count: int, rng: random.Random) -> int:
    counts = {kind: max(1, round(rate * count)) for kind, rate in CUSTOMER_RATES.items()}
    counts["duplicate"] = CUSTOMER_DUPLICATES
    plan = assign(counts, rng.sample(range(1, count), sum(counts.values())))

    def make(number: int) -> list[Line]:
        row, (kind, turn) = customer_row(number, rng), plan.get(number, PRISTINE)
        key, raw = row["customer_id"], csv_line(row.values()).encode()
        if kind == "duplicate":
            return [(raw, None), whole_row(key, kind, key, raw)]
        if kind == "case_space":
            return [spoiled(row, key, kind, "region", stray(row["region"], WORD_PADS, rng))]
        if kind == "date_format":
            year, month, day = row["joined_on"].split("-")
            dirty = (f"{day}.{month}.{year}", f"{year}/{month}/{day}")[turn % 2]
            return [spoiled(row, key, kind, "joined_on", dirty)]
        return [(raw, None)]

    file.header(CUSTOMER_COLUMNS)
    write_rows(file, range(1, count + 1), make, rng)
    return file.close()


def spoiled(row: Row, key: str, kind: str, column: str, dirty: str) -> Line:
    raw = csv_line((row | {column: dirty}).values()).encode()
    return raw, Fault(key, column, kind, row[column], dirty)


def order_days(orders: int, rng: random.Random) -> list[Day]:
    dates = [date(YEAR, 1, 1) + timedelta(days=n) for n in range(365)]
    weights = [MONTH_WEIGHTS[day.month - 1] * WEEKDAY_WEIGHTS[day.weekday()] * rng.randint(80, 120) for day in dates]
    total, done, start, days = sum(weights), 0, 0, []
    for day, weight in zip(dates, weights, strict=True):
        done += weight
        end = orders * done // total
        days.append(Day(day, range(start, end)))
        start = end
    return days


def date_of(days: list[Day], number: int) -> date:
    return days[bisect_right(days, number, key=lambda day: day.orders.start) - 1].date


def plan_orders(days: list[Day], months: list[range], rng: random.Random) -> dict[int, Planned]:
    orders = months[-1].stop
    counts = {kind: max(1, round(rate * orders)) for kind, rate in ORDER_RATES.items()}
    counts["ragged"] = max(MIN_RAGGED, counts["ragged"])
    counts["encoding"] = ENCODING_FAULTS
    total = sum(counts.values())
    # The last rows of the months are left out: a copy could not come after them.
    last = {month[-1] for month in months}
    picks = [n for n in rng.sample(range(orders), total + len(last)) if n not in last][:total]
    # The first pick becomes a day/month/year date, which only a day over 12 tells from month/day/year.
    late = next(place for place, number in enumerate(picks) if date_of(days, number).day > 12)
    picks[0], picks[late] = picks[late], picks[0]
    return assign(counts, picks) | {orders - 1: Planned("truncated_tail", 0)}


def missing(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    return ("quantity", "unit_price", "customer_id")[turn % 3], BLANKS[turn // 3 % 4]


def date_format(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    year, month, day = row["ordered_on"].split("-")
    name = MONTH_NAMES[int(month) - 1]
    styles = (
        f"{day}/{month}/{year}",
        f"{day}.{month}.{year}",
        f"{day} {name} {year}",
        f"{year}/{month}/{day}",
    )
    return "ordered_on", styles[turn % 4]


def case_space(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    column = ("status", "product_id", "channel", "customer_id")[turn % 4]
    return column, stray(row[column], ID_PADS if column.endswith("_id") else WORD_PADS, rng)


def wants_dear(planned: Planned) -> bool:
    """Of the five variants of number_format the first two show a thousands comma."""
    return planned.kind == "number_format" and planned.turn % 5 < 2


def number_format(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    price = f"{float(row['unit_price']):,.2f}"
    quantity = ("quantity", row["quantity"] + ".0")
    prices = [("unit_price", dirty) for dirty in ("$" + price, price, price + " USD", "$" + price)]
    return [*prices, quantity][turn % 5]


def orphan_key(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    return (
        ("product_id", f"P-{rng.randint(900, 999)}"),
        ("customer_id", f"C-{rng.randint(90_000, 99_999)}"),
        ("product_id", f"P-{rng.randint(9000, 9999)}"),
        ("customer_id", f"C-{rng.randint(90_000, 99_999)}"),
    )[turn % 4]


def impossible(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    return (
        ("quantity", "0"),
        ("unit_price", "-" + row["unit_price"]),
        ("quantity", str(rng.randint(1000, 9999))),
        ("unit_price", "0.00"),
        ("quantity", str(-rng.randint(1, 9))),
        ("unit_price", f"{rng.randint(1_000_000, 9_999_999)}.00"),
    )[turn % 6]


def wrong_type(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    return WRONG_TYPES[turn % len(WRONG_TYPES)]


def unknown_value(row: Row, turn: int, rng: random.Random) -> tuple[str, str]:
    return UNKNOWN_VALUES[turn % len(UNKNOWN_VALUES)]


FIELD_FAULTS: dict[str, Callable[[Row, int, random.Random], tuple[str, str]]] = {
    "missing": missing,
    "date_format": date_format,
    "case_space": case_space,
    "number_format": number_format,
    "orphan_key": orphan_key,
    "impossible": impossible,
    "wrong_type": wrong_type,
    "unknown_value": unknown_value,
}


def copy_of(row: Row, turn: int, rng: random.Random) -> Row:
    if turn % 3 == 0:
        return row
    if turn % 3 == 1:
        return row | {"note": ""}
    column = rng.choice(("status", "channel"))
    return row | {column: stray(row[column], WORD_PADS, rng)}


def order_lines(row: Row, planned: Planned, rng: random.Random) -> list[Line]:
    kind, turn = planned
    key, clean = row["order_id"], csv_line(row.values())
    if not kind:
        return [(clean.encode(), None)]
    if kind in FIELD_FAULTS:
        column, dirty = FIELD_FAULTS[kind](row, turn, rng)
        return [spoiled(row, key, kind, column, dirty)]
    if kind == "duplicate":
        copy = csv_line(copy_of(row, turn, rng).values()).encode()
        return [(clean.encode(), None), whole_row(key, kind, key, copy)]
    fields = list(row.values())
    if kind == "ragged":
        raw = (csv_line(fields[:-2]) if turn % 2 else clean + ",x").encode()
    elif kind == "encoding":
        raw = clean.encode("latin-1")
    else:
        raw = csv_line(fields[: rng.choice((4, 5))]).encode()
    return [whole_row(key, kind, clean, raw)]


def order_note(planned: Planned, rng: random.Random) -> str:
    if planned.kind == "encoding":
        return LATIN1_NOTES[planned.turn % len(LATIN1_NOTES)]
    loses_note = planned.kind == "duplicate" and planned.turn % 3 == 1
    return rng.choice(NOTES) if loses_note or rng.random() < NOTE_SHARE else ""


class Shop:
    """What clean orders are drawn from."""

    def __init__(self, products: list[Product], customers: int, days: list[Day]) -> None:
        self.products, self.customers, self.days = products, customers, days
        self.dear = [product for product in products if product.cents >= DEAR_CENTS]

    def order(self, number: int, planned: Planned, rng: random.Random) -> Row:
        # Powers of a random share: a few products and customers account for much of the trade.
        product = self.products[int(len(self.products) * rng.random() ** 1.6)]
        if wants_dear(planned):
            product = rng.choice(self.dear)
        cents = max(50, product.cents * rng.choice((92, 95, 98, 100, 100, 100, 100, 103)) // 100)
        return {
            "order_id": f"O-{number + 1:07d}",
            "customer_id": f"C-{1 + int(self.customers * rng.random() ** 1.3):05d}",
            "product_id": product.product_id,
            "ordered_on": date_of(self.days, number).isoformat(),
            "quantity": str(1 + int(20 * rng.random() ** 4)),
            "unit_price": f"{cents // 100}.{cents % 100:02d}",
            "status": STATUSES[bisect_right(STATUS_SHARES, rng.randrange(100))],
            "channel": CHANNELS[bisect_right(CHANNEL_SHARES, rng.randrange(100))],
            "note": order_note(planned, rng),
        }


def write_orders(root: Path, orders: int, shop: Shop, truth: BinaryIO, rng: random.Random) -> int:
    months = []
    for month in range(1, 13):
        ranges = [day.orders for day in shop.days if day.date.month == month]
        months.append(range(ranges[0].start, ranges[-1].stop))
    plan = plan_orders(shop.days, months, rng)

    def make(number: int) -> list[Line]:
        planned = plan.get(number, PRISTINE)
        return order_lines(shop.order(number, planned, rng), planned, rng)

    faults = 0
    for month, numbers in enumerate(months, start=1):
        file = DataFile(root, "orders", f"data/orders/{YEAR}-{month:02d}.csv", truth)
        file.header(ORDER_COLUMNS)
        write_rows(file, numbers, make, rng)
        faults += file.close()
    return faults


def generate(root: Path, orders: int, seed: int) -> None:
    rng = random.Random(seed)
    products = make_products(min(MAX_PRODUCTS, max(MIN_PRODUCTS, orders // ORDERS_PER_PRODUCT)), rng)
    customers = min(MAX_CUSTOMERS, orders // ORDERS_PER_CUSTOMER)
    shop = Shop(products, customers, order_days(orders, rng))
    root.mkdir(parents=True, exist_ok=True)
    with (root / "truth.csv").open("wb") as truth:
        truth.write(csv_line(TRUTH_COLUMNS).encode() + b"\n")
        faults = write_orders(root, orders, shop, truth, rng)
        faults += write_products(DataFile(root, "products", "data/products.jsonl", truth), products, rng)
        faults += write_customers(DataFile(root, "customers", "data/customers.csv", truth), customers, rng)
    print(f"truth.csv {faults}")


def order_count(text: str) -> int:
    if not text.isdecimal() or not MIN_ORDERS <= int(text) <= MAX_ORDERS:
        raise argparse.ArgumentTypeError(f"expected a number from {MIN_ORDERS} to {MAX_ORDERS}, got {text!r}")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=order_count, default=3000, metavar="N", help="orders in the year")
    parser.add_argument("--seed", type=int, default=7, metavar="S", help="seed of the random numbers")
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="folder to write into")
    args = parser.parse_args()
    generate(args.out, args.orders, args.seed)
    pipeline = HERE / "pipeline.yaml"
    if args.out.resolve() != HERE and pipeline.exists():
        shutil.copyfile(pipeline, args.out / pipeline.name)
        print(pipeline.name)


if __name__ == "__main__":
    main()
