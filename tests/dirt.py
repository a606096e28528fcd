"""Clean tables of several domains, and errors injected into them, all from a seed."""

import random
import string
from collections.abc import Callable

Table = dict[str, list[str]]


def _list(words: str) -> list[str]:
    return words.split()


_SYLLABLES = _list(
    "ba be bo da de di fa go ha ka ke la le li lo ma me mi mo na ne no pa po ra re ri ro sa se si ta te to va"
)
_FIRST = _list(
    "James Mary John Patricia Robert Jennifer Michael Linda William Elizabeth David Barbara Richard "
    "Susan Joseph Jessica Thomas Sarah Charles Karen Jon Jane Joan Marie Maria Ann Anna Anne Eric "
    "Erik Carl Karl Sara Lisa Lise"
)
_LAST = _list(
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez "
    "Gonzalez Wilson Anderson Andersen Thomas Taylor Moore Jackson Martin Lee Perez Thompson White "
    "Harris Sanchez Clark Hansen Hanson"
)
_STATES = _list(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH"
)
_COUNTRIES = _list(
    "Austria Australia Belgium Brazil Canada Chile China Denmark Finland France Germany Greece "
    "Iceland Ireland India Indonesia Iran Iraq Italy Japan Mali Malta Mexico Niger Nigeria Norway "
    "Peru Poland Slovakia Slovenia Spain Sweden"
)
_EDUCATION = _list(
    "HS-grad Some-college Bachelors Masters Assoc-voc 11th Assoc-acdm 10th 7th-8th 9th 12th "
    "Doctorate 5th-6th 1st-4th Preschool"
)
_MARITAL = _list("Married-civ-spouse Never-married Divorced Separated Widowed Married-spouse-absent")
_WORK = _list("Private Self-emp-not-inc Local-gov State-gov Self-emp-inc Federal-gov Without-pay")
_OCCUPATIONS = _list(
    "Prof-specialty Craft-repair Exec-managerial Adm-clerical Sales Other-service Machine-op-inspct "
    "Transport-moving Handlers-cleaners Farming-fishing Tech-support Protective-serv Priv-house-serv "
    "Armed-Forces"
)
_GENRES = _list("Drama Comedy Action Horror Crime Romance")
_LANGUAGES = _list("English French Hindi Spanish German Italian Irish Finnish")
_OUNCES = _list("12.0 16.0 24.0 19.2 8.4 32.0")
_LANGUAGE_CODES = _list("eng spa fre ger por ita pol")
_DEPARTMENTS = _list("Sales Support Finance Legal Research Design Logistics")
_COLOURS = _list("красный синий зелёный белый чёрный жёлтый")
_SIZES = _list("XS S M L XL XXL XXXL")


def _word(rng: random.Random, syllables: int = 3) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(syllables)).capitalize()


def _words(rng: random.Random, n: int, syllables: int = 3) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[_word(rng, syllables)] = None
    return list(found)


def _skewed(rng: random.Random, values: list[str], n: int) -> list[str]:
    return rng.choices(values, [1 / (i + 1) for i in range(len(values))], k=n)


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(n))


def _by(keys: list[str], make: Callable[[str], str]) -> list[str]:
    known: dict[str, str] = {}
    return [known[key] if key in known else known.setdefault(key, make(key)) for key in keys]


def orders(rng: random.Random, n: int) -> Table:
    """Orders with customers and products: keys that tell several columns each."""
    customer = [f"C{rng.randrange(n // 12):05d}" for _ in range(n)]
    product = [f"SKU-{rng.randrange(n // 20):04d}" for _ in range(n)]
    cities = _words(rng, 25)
    city = _by(customer, lambda _: rng.choice(cities))
    return {
        "order": [str(100000 + i) for i in range(n)],
        "customer": customer,
        "name": _by(customer, lambda _: f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"),
        "email": _by(customer, lambda key: f"{_word(rng).lower()}{key[1:]}@example.com"),
        "city": city,
        "region": _by(city, lambda _: rng.choice(["North", "South", "East", "West"])),
        "product": product,
        "title": _by(product, lambda _: f"{_word(rng)} {rng.choice(['Chair', 'Table', 'Lamp', 'Shelf', 'Desk'])}"),
        "price": _by(product, lambda _: f"{rng.uniform(2, 300):.2f}"),
        "quantity": [str(rng.randint(1, 9)) for _ in range(n)],
        "status": _skewed(rng, ["shipped", "open", "returned", "cancelled"], n),
        "date": [f"2025-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}" for _ in range(n)],
    }


def census(rng: random.Random, n: int) -> Table:
    """People by category: weak relations, one pair of columns that say the same, missing values that are normal."""
    education = _skewed(
        rng,
        _EDUCATION,
        n,
    )
    marital = _skewed(rng, _MARITAL, n)
    sex = rng.choices(["Male", "Female"], [2, 1], k=n)
    return {
        "age": [str(int(min(90, max(17, rng.gauss(39, 13))))) for _ in range(n)],
        "workclass": [
            v if rng.random() > 0.05 else "?"
            for v in _skewed(
                rng,
                _WORK,
                n,
            )
        ],
        "education": education,
        "education-num": _by(education, lambda key: str(len(key) + ord(key[0]) % 7 + 10 * ord(key[1]))),
        "marital": marital,
        "occupation": [
            v if rng.random() > 0.05 else "?"
            for v in _skewed(
                rng,
                _OCCUPATIONS,
                n,
            )
        ],
        "relationship": [
            ("Husband" if s == "Male" else "Wife")
            if m == "Married-civ-spouse" and rng.random() < 0.97
            else rng.choice(["Not-in-family", "Own-child", "Unmarried", "Other-relative"])
            for m, s in zip(marital, sex, strict=True)
        ],
        "sex": sex,
        "hours": [str(int(min(99, max(1, rng.gauss(40, 11))))) for _ in range(n)],
        "country": _skewed(rng, ["United-States", *_COUNTRIES], n),
        "income": rng.choices(["<=50K", ">50K"], [3, 1], k=n),
    }


def tax(rng: random.Random, n: int) -> Table:
    """Taxpayers: places in a hierarchy, exemptions that two columns together tell, open names."""
    towns = _words(rng, 120)
    state_of = {town: rng.choice(_STATES) for town in towns}
    zips = [(f"{rng.randrange(10000, 99999)}", rng.choice(towns)) for _ in range(max(20, n // 8))]
    homes = [rng.choice(zips) for _ in range(n)]
    state = [state_of[town] for _, town in homes]
    married = rng.choices(["M", "S"], k=n)
    child = rng.choices(["Y", "N"], k=n)
    single = {s: str(rng.randrange(0, 40) * 100) for s in _STATES}
    childs = {s: str(rng.randrange(0, 20) * 100) for s in _STATES}
    return {
        "first": [rng.choice(_FIRST) + rng.choice(["", "", "e", "a", "son"]) for _ in range(n)],
        "last": [rng.choice(_LAST) if rng.random() < 0.5 else _word(rng) for _ in range(n)],
        "gender": rng.choices(["F", "M"], k=n),
        "areacode": _by(state, lambda _: str(rng.randrange(201, 989))),
        "phone": [f"{_digits(rng, 3)}-{_digits(rng, 4)}" for _ in range(n)],
        "city": [town for _, town in homes],
        "state": state,
        "zip": [z for z, _ in homes],
        "marital": married,
        "child": child,
        "salary": [str(rng.randrange(5, 200) * 500) for _ in range(n)],
        "rate": [f"{rng.uniform(0, 9):.2f}" for _ in range(n)],
        "single_exemption": [single[s] if m == "S" else "0" for s, m in zip(state, married, strict=True)],
        "child_exemption": [childs[s] if c == "Y" else "0" for s, c in zip(state, child, strict=True)],
    }


def movies(rng: random.Random, n: int) -> Table:
    """Films: open titles and names, quantities with units, few repeats, natural gaps."""
    actors = [f"{rng.choice(_FIRST)} {_word(rng, 2)}" for _ in range(n // 2)]
    return {
        "id": [f"tt{_digits(rng, 7)}" for _ in range(n)],
        "title": [" ".join(_words(rng, rng.randint(1, 4), 2)) for _ in range(n)],
        "year": [str(rng.randint(1950, 2024)) for _ in range(n)],
        "director": [rng.choice(actors) for _ in range(n)],
        "cast": [", ".join(rng.sample(actors, 3)) for _ in range(n)],
        "genre": [",".join(sorted(rng.sample(_GENRES, rng.randint(1, 3)))) for _ in range(n)],
        "duration": [f"{rng.randint(70, 190)} min" for _ in range(n)],
        "rating": [f"{rng.uniform(1, 9.9):.1f}" if rng.random() > 0.1 else "" for _ in range(n)],
        "votes": [f"{rng.randint(1, 999)},{_digits(rng, 3)}" for _ in range(n)],
        "language": _skewed(rng, _LANGUAGES, n),
    }


def beers(rng: random.Random, n: int) -> Table:
    """Beers: breweries that tell places, styles near one another, names that are not quite unique."""
    brewery = [str(rng.randrange(n // 5)) for _ in range(n)]
    styles = [
        f"{a} {b}"
        for a in ("American", "English", "Belgian", "German")
        for b in ("IPA", "Pale Ale", "Porter", "Stout", "Pilsner", "Lager", "Amber Ale")
    ]
    place = _by(brewery, lambda _: f"{_word(rng)}|{rng.choice(_STATES)}")
    return {
        "id": [str(i + 1) for i in range(n)],
        "name": [f"{_word(rng, 2)} {rng.choice(['IPA', 'Ale', 'Lager', 'Stout', 'Porter'])}" for _ in range(n)],
        "style": _skewed(rng, styles, n),
        "ounces": _skewed(rng, _OUNCES, n),
        "abv": [f"0.{rng.randint(30, 99):03d}" if rng.random() > 0.03 else "" for _ in range(n)],
        "brewery_id": brewery,
        "brewery": _by(brewery, lambda _: f"{_word(rng)} Brewing Company"),
        "city": [p.split("|")[0] for p in place],
        "state": [p.split("|")[1] for p in place],
    }


def journals(rng: random.Random, n: int) -> Table:
    """Articles: journals with two spellings each, pages, months, much that is missing."""
    journal = [str(rng.randrange(n // 6)) for _ in range(n)]
    full = _by(journal, lambda _: f"The Journal of {_word(rng)} {rng.choice(['Surgery', 'Medicine', 'Biology'])}")
    return {
        "title": [" ".join(_words(rng, 6, 2)).lower() for _ in range(n)],
        "language": _skewed(rng, _LANGUAGE_CODES, n),
        "journal": full,
        "abbreviation": _by(full, lambda t: " ".join(w[:4] for w in t.split()[2:])),
        "issn": [
            v if rng.random() > 0.1 else "" for v in _by(journal, lambda _: f"{_digits(rng, 4)}-{_digits(rng, 4)}")
        ],
        "volume": [str(rng.randint(1, 90)) for _ in range(n)],
        "issue": [str(rng.randint(1, 12)) if rng.random() > 0.15 else "" for _ in range(n)],
        "created": [f"{rng.randint(1, 12)}/{rng.randint(1, 28)}/{rng.randint(1, 15):02d}" for _ in range(n)],
        "pages": [f"{(p := rng.randint(1, 900))}-{p % 100 + 7}" for _ in range(n)],
        "authors": [
            "{" + ",".join(f'"{rng.choice(_FIRST)[0]}. {_word(rng, 2)}"' for _ in range(rng.randint(1, 4))) + "}"
            for _ in range(n)
        ],
    }


def staff(rng: random.Random, n: int) -> Table:
    """Staff: relations with natural exceptions, an end date that most lack, gaps by chance, case that matters."""
    department = _skewed(rng, _DEPARTMENTS, n)
    usual = {name: f"B{i}" for i, name in enumerate(dict.fromkeys(department))}
    town = _skewed(rng, _words(rng, 60), n)
    post = _by(town, lambda _: f"{rng.randint(100, 999)}")
    return {
        "name": [f"{rng.choice(_LAST)}, {rng.choice(_FIRST)}" for _ in range(n)],
        "department": department,
        "building": [usual[d] if rng.random() < 0.96 else rng.choice(list(usual.values())) for d in department],
        "grade": rng.choices(["a", "b", "c", "A", "B", "C"], k=n),
        "town": town,
        "area": [p if rng.random() < 0.97 else str(int(p) + rng.randint(1, 3)) for p in post],
        "team": [f"{d[:3].upper()}-{rng.randint(1, 4)}" for d in department],
        "started": [f"{rng.randint(2001, 2024)}-{rng.randint(1, 12):02d}-01" for _ in range(n)],
        "ended": [f"2024-{rng.randint(1, 12):02d}-30" if rng.random() < 0.1 else "" for _ in range(n)],
        "phone": [f"+49 {_digits(rng, 3)} {_digits(rng, 6)}" if rng.random() < 0.9 else "n/a" for _ in range(n)],
        "salary": [f"{int(rng.lognormvariate(10.8, 0.5))}" for _ in range(n)],
    }


def sensors(rng: random.Random, n: int) -> Table:
    """Numbers alone, with heavy tails, negative and in scientific notation."""
    return {
        "t": [str(1700000000 + 60 * i) for i in range(n)],
        "temperature": [f"{rng.gauss(20, 6):.1f}" for _ in range(n)],
        "pressure": [f"{rng.gauss(1013, 9):.2f}" for _ in range(n)],
        "rain": [f"{rng.expovariate(2):.1f}" if rng.random() < 0.2 else "0" for _ in range(n)],
        "power": [f"{rng.lognormvariate(3, 1.6):.3f}" for _ in range(n)],
        "leak": [f"{rng.gauss(0, 1e-6):.2e}" for _ in range(n)],
        "station": [str(rng.randint(1, 12)) for _ in range(n)],
    }


def flights(rng: random.Random, n: int) -> Table:
    """Several sources that report the same times of each flight."""
    sources = [word.lower() for word in _words(rng, 25, 2)]
    flights = [f"AA-{i + 100}-{rng.choice(_STATES)}" for i in range(n // 20)]
    rows = [(flight, source) for flight in flights for source in rng.sample(sources, 20)]
    flight = [key for key, _ in rows]

    def time(_: str) -> str:
        return f"{rng.randint(1, 12)}:{rng.randint(0, 59):02d} {rng.choice(['a.m.', 'p.m.'])}"

    return {
        "source": [source for _, source in rows],
        "flight": flight,
        **{name: _by(flight, time) for name in ("scheduled_departure", "departure", "scheduled_arrival", "arrival")},
    }


def catalogue(rng: random.Random, n: int) -> Table:
    """Codes a letter apart, sizes, sets of near words, scripts other than Latin."""
    colours = _COLOURS
    kind = rng.choices(["衬衫", "裤子", "外套", "鞋"], k=n)
    model = [f"{rng.choice('ABCDEF')}{rng.randint(1, 40)}" for _ in range(n)]
    return {
        "code": [f"{rng.choice('ABCD')}-{_digits(rng, 3)}" for _ in range(n)],
        "model": model,
        "line": _by(model, lambda m: f"Line {m[0]}"),
        "size": rng.choices(_SIZES, k=n),
        "for": rng.choices(["male", "female", "unisex"], k=n),
        "colour": _skewed(rng, colours, n),
        "kind": kind,
        "origin": _skewed(rng, _COUNTRIES, n),
        "note": [" ".join(_words(rng, rng.randint(3, 12), 2)) if rng.random() < 0.3 else "" for _ in range(n)],
    }


def clinics(rng: random.Random, n: int) -> Table:
    """What clinics report on measures of their care: two keys, on which nearly all else hangs, and two open figures."""
    pairs = [(place, what) for place in range(max(1, n // 20)) for what in range(20)][:n]
    place, what = ([str(10_001 + 5 * pair[at]) for pair in pairs] for at in (0, 1))
    state = _by(place, lambda _: rng.choice(_STATES[:6]))
    code = _by(what, lambda key: f"{rng.choice(['ami', 'hf', 'pn', 'scip'])}-{key[3:]}")
    facts: dict[str, Callable[[str], str]] = {
        "name": lambda _: f"{_word(rng)} {rng.choice(['county', 'memorial', 'regional'])} clinic".lower(),
        "address": lambda _: f"{rng.randint(100, 9999)} {_word(rng)} {rng.choice(['street', 'avenue'])}".lower(),
        "city": lambda _: _word(rng).lower(),
        "zip": lambda _: _digits(rng, 5),
        "phone": lambda _: _digits(rng, 10),
        "owner": lambda _: rng.choice(["government", "voluntary non-profit", "proprietary"]),
        "emergency": lambda _: rng.choice(["yes", "no"]),
    }
    both = [f"{s}_{c}" for s, c in zip(state, code, strict=True)]
    return {
        "clinic": place,
        **{name: _by(place, make) for name, make in facts.items()},
        "state": state,
        "code": code,
        "measure": _by(code, lambda _: " ".join(_words(rng, 7, 2)).lower()),
        "average": both,
        "score": [f"{rng.randint(20, 100)}%" for _ in range(n)],
        "sample": [f"{rng.randint(1, 400)} patients" for _ in range(n)],
    }


DOMAINS: dict[str, Callable[[random.Random, int], Table]] = {
    make.__name__: make for make in (orders, census, tax, movies, beers, journals, staff, sensors, flights, catalogue)
}


def soiled(rng: random.Random, table: Table, share: float, kinds: tuple[str, ...] = ("typo", "swap", "gap")) -> Table:
    """A copy with errors in this share of its cells: typos, another row's value, or nothing."""
    dirty = {name: list(cells) for name, cells in table.items()}
    names = list(table)
    rows = len(next(iter(table.values())))
    for cell in sorted(rng.sample(range(rows * len(names)), int(share * rows * len(names)))):
        row, name = cell // len(names), names[cell % len(names)]
        match rng.choice(kinds):
            case "typo":
                dirty[name][row] = _mistyped(rng, table[name][row])
            case "swap":
                dirty[name][row] = rng.choice(table[name])
            case "gap":
                dirty[name][row] = ""
    return dirty


def overtyped(rng: random.Random, table: Table, share: float, letter: str = "x") -> Table:
    """A copy with one sign overwritten by a letter in this share of its cells."""
    dirty = {name: list(cells) for name, cells in table.items()}
    cells = [(name, row) for name, texts in table.items() for row, text in enumerate(texts) if text]
    for name, row in sorted(rng.sample(cells, int(share * len(cells)))):
        text = table[name][row]
        at = rng.choice([at for at, sign in enumerate(text) if sign != letter])
        dirty[name][row] = text[:at] + letter + text[at + 1 :]
    return dirty


def _mistyped(rng: random.Random, text: str) -> str:
    if not text:
        return text
    at = rng.randrange(len(text))
    letter = rng.choice(string.ascii_lowercase)
    return rng.choice(
        [
            text[:at] + letter + text[at + 1 :],
            text[:at] + letter + text[at:],
            text[:at] + text[at + 1 :],
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
        ]
    )
