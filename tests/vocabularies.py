"""Clean tables whose words are near one another by nature, with counts as uneven as words have."""

import random
from collections.abc import Callable

from tests.dirt import Table

_COUNTRIES = (
    "Iran IR,Iraq IQ,Niger NE,Nigeria NG,Mali ML,Malta MT,Austria AT,Australia AU,Ireland IE,Iceland IS,Slovakia SK,"
    "Slovenia SI,Dominica DM,Guinea GN,Guyana GY,Gambia GM,Zambia ZM,India IN,Indonesia ID,Sweden SE,Poland PL,Peru PE,"
    "Latvia LV,Libya LY,Chad TD,Chile CL,China CN,Togo TG,Tonga TO,Gabon GA,Ghana GH,Kenya KE,Korea KR,Samoa WS"
)
_DRUGS = (
    "hydroxyzine hydralazine prednisone prednisolone clonidine cefazolin cefoxitin tramadol trazodone quinine "
    "quinidine "
    "vinblastine vincristine fluoxetine paroxetine duloxetine citalopram escitalopram omeprazole esomeprazole "
    "lansoprazole pantoprazole amlodipine nifedipine simvastatin lovastatin losartan valsartan glipizide glyburide "
    "dopamine dobutamine ephedrine epinephrine morphine codeine oxycodone hydrocodone penicillin penicillamine"
)
_NAMES = (
    "John Jon Jan Joan Joanna Johanna Hannah Hanna Anna Anne Annie Maria Marie Mario Marian Marion Martin Marvin Eric "
    "Erik Erika Carl Karl Carla Karla Carlo Steven Stephen Stefan Philip Phillip Sarah Sara Lara Laura Lauren "
    "Christian "
    "Christina Daniel Daniela Michael Michel Michelle Julia Julie Julian Allan Allen Alan Brian Bryan Denis Dennis "
    "Denise"
)
_COMPOUNDS = (
    "methane ethane propane butane pentane hexane heptane methanol ethanol propanol butanol methanal ethanal propanal "
    "propenal propene butene pentene hexene ethene ethyne propyne acetone acetate chlorate chlorite chloride fluoride "
    "bromide bromate sulfate sulfite sulfide nitrate nitrite nitride phosphate phosphite phosphide"
)
_WORDS = (
    "public private moral mortal male female accept except affect effect form from quiet quite desert dessert angel "
    "angle diary dairy loose lose then than weather whether active inactive pending spending paid unpaid"
)
_PRODUCTS = [
    f"{colour} {thing} {size}"
    for colour in ("Black", "Blue", "Block", "Red", "Rod", "Green", "Grey", "Gray")
    for thing in ("Shirt", "Skirt", "Shorts", "Boot", "Boots", "Coat", "Cot")
    for size in ("S", "M", "L", "XL")
]


def _drawn(rng: random.Random, words: list[str], n: int) -> list[str]:
    words = rng.sample(words, len(words))
    return rng.choices(words, [1 / (place + 1) ** 1.6 for place in range(len(words))], k=n)


def _alone(words: str) -> Callable[[random.Random, int], Table]:
    return lambda rng, n: {
        "word": _drawn(rng, words.split(), n),
        "figure": [str(rng.randrange(999)) for _ in range(n)],
    }


def _coded(words: list[str]) -> Callable[[random.Random, int], Table]:
    def make(rng: random.Random, n: int) -> Table:
        codes = {word: f"{rng.randrange(10**4):04d}-{rng.randrange(10**3):03d}" for word in words}
        drawn = _drawn(rng, words, n)
        return {"word": drawn, "code": [codes[word] for word in drawn], "price": [str(len(word)) for word in drawn]}

    return make


def countries(rng: random.Random, n: int) -> Table:
    pairs = [pair.split() for pair in _drawn(rng, _COUNTRIES.split(","), n)]
    return {"country": [name for name, _ in pairs], "code": [code for _, code in pairs]}


def flights(rng: random.Random, n: int) -> Table:
    """Two columns of one vocabulary."""
    places = [f"{a} {b}" for a in ("San", "Santa", "Port", "Fort") for b in ("Maria", "Marta", "Jose", "Field", "Hope")]
    return {"from": _drawn(rng, places, n), "to": _drawn(rng, places, n)}


def codes(rng: random.Random, n: int) -> Table:
    return {
        "hex": _drawn(rng, [f"{rng.getrandbits(24):06x}" for _ in range(80)], n),
        "part": _drawn(
            rng, [f"{rng.choice('ABC')}{rng.choice('KLM')}-{rng.randrange(9999):04d}" for _ in range(90)], n
        ),
        "version": _drawn(rng, [f"v{rng.randrange(3)}.{rng.randrange(20)}.{rng.randrange(9)}" for _ in range(40)], n),
        "path": [
            f"/{a}/{b}" for a, b in zip(_drawn(rng, _WORDS.split(), n), _drawn(rng, _NAMES.split(), n), strict=True)
        ],
        "dose": [f"{rng.choice([5, 10, 20])} {rng.choices(['mg', 'mcg', 'ml'], [8, 1, 1])[0]}" for _ in range(n)],
        "weight": [f"{rng.randrange(1, 50)} {rng.choices(['kg', 'lb'], [9, 1])[0]}" for _ in range(n)],
    }


VOCABULARIES: dict[str, Callable[[random.Random, int], Table]] = {
    "countries": countries,
    "flights": flights,
    "codes": codes,
    "drugs": _alone(_DRUGS),
    "names": _alone(_NAMES),
    "compounds": _alone(_COMPOUNDS),
    "words": _alone(_WORDS),
    "drugs with codes": _coded(_DRUGS.split()),
    "products": _coded(_PRODUCTS),
}
