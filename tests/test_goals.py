"""Goals in words: what they are taken for, by rules, given what there is; and what is said when they name nothing."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import GoalError
from graphs.planning.data.dataset import Column, Dataset, Link, Survey
from graphs.planning.data.goal import ColumnOf, Condition, Goal, Measure
from graphs.planning.data.learning import learned
from graphs.planning.data.question import misfits
from graphs.planning.data.reading import readings
from graphs.planning.data.restriction import restricted
from tools.quality.profile import ColumnProfile, Count


def dataset(name: str, key: str, columns: str) -> Dataset:
    """`columns` are `name:type`; the type of texts is left out."""
    pairs = [column.partition(":") for column in columns.split()]
    found = {
        column: Column(column, kind or "string", share=1.0, missing=0.0, distinct=100, values=())
        for column, _, kind in pairs
    }
    return Dataset(name, f"/{name}.csv", {"kind": "csv", "path": f"/{name}.csv"}, 100, found, key=key)


ORDERS = dataset(
    "orders",
    "order_id",
    "order_id customer_id product_id ordered_on:date quantity:integer unit_price:decimal(18,2) status channel",
)
ORDERS.columns["status"] = replace(ORDERS.columns["status"], values=("placed", "cancelled"))
SHOP = Survey(
    "/shop",
    {
        "orders": ORDERS,
        "customers": dataset("customers", "customer_id", "customer_id name region_id joined_on:date"),
        "regions": dataset("regions", "region_id", "region_id region"),
        "products": dataset("products", "product_id", "product_id name category list_price:float"),
    },
    [
        Link("orders", "customer_id", "customers", "customer_id", declared=False, share=1.0, rows=100),
        Link("customers", "region_id", "regions", "region_id", declared=False, share=1.0, rows=100),
        Link("orders", "product_id", "products", "product_id", declared=False, share=0.9, rows=100),
    ],
)


def read(text: str) -> list[str]:
    return [str(reading.goal) for reading in readings(text, SHOP, today=date(2026, 1, 15))]


def test_units_in_the_names_of_columns_need_not_be_said() -> None:
    sales = dataset("sales", "id", "id quantity_kg:float price_eur:decimal(18,2)")
    survey = Survey("/shop", {"sales": sales}, [])
    told = [str(reading.goal) for text in ("average price", "revenue") for reading in readings(text, survey)]
    assert told == [
        "mean of price_eur of sales as mean_price_eur, from the rows of sales",
        "sum of quantity_kg of sales x price_eur of sales as revenue, from the rows of sales",
    ]


def test_what_a_model_makes_up_is_no_goal() -> None:
    """A value that the column has not would keep no row; a name is not for the document's own text to break out of."""
    status = ColumnOf(dataset="orders", column="status")
    measures = (Measure(name="orders", function="count"), Measure(name="n: [}\n# of all", function="count"))
    conditions = (Condition(column=status, values=("placed",)), Condition(column=status, values=("Placed", "sent")))
    assert list(misfits(Goal(base="orders", measures=measures[:1], conditions=conditions[:1]), SHOP)) == []
    assert list(misfits(Goal(base="orders", measures=measures, conditions=conditions), SHOP)) == [
        "'n: [}\\n# of all' is no name for a measure",
        "status of orders has no value 'Placed'",
        "status of orders has no value 'sent'",
    ]


REVENUE = "sum of quantity of orders x unit_price of orders as revenue, from the rows of orders"


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        (
            "monthly revenue by region",
            f"{REVENUE}, by month of ordered_on of orders, region of regions",
        ),
        ("total revenue per channel", f"{REVENUE}, by channel of orders"),
        ("number of orders by status", "the number of rows as orders, from the rows of orders, by status of orders"),
        (
            "orders per customer and quarter",
            "the number of rows as orders, from the rows of orders, by quarter of ordered_on of orders,"
            " customer_id of orders",
        ),
        (
            "min, max and average quantity for each category",
            "min of quantity of orders as min_quantity, max of quantity of orders as max_quantity, mean of quantity of"
            " orders as mean_quantity, from the rows of orders, by category of products",
        ),
        (
            "daily units",
            "sum of quantity of orders as quantity, from the rows of orders, by day of ordered_on of orders",
        ),
        (
            "number of different customers by channel",
            "number of different customer_id of orders as different_customer_id, from the rows of orders,"
            " by channel of orders",
        ),
        (
            "revenue by category excluding cancelled",
            f"{REVENUE}, by category of products, where status of orders is not cancelled",
        ),
        (
            "unit_price by product name",
            "mean of unit_price of orders as mean_unit_price, from the rows of orders, by name of products",
        ),
        ("customers", "the rows of customers"),
        ("orders with category", "the rows of orders with category of products"),
        # What is said of rows.
        ("revenue excluding placed and cancelled", f"{REVENUE}, where status of orders is not placed or cancelled"),
        ("revenue, not cancelled", f"{REVENUE}, where status of orders is not cancelled"),
        ("revenue only placed or cancelled", f"{REVENUE}, where status of orders is placed or cancelled"),
        (
            "cancelled orders by channel",
            "the number of rows as orders, from the rows of orders, by channel of orders, where status of orders is"
            " cancelled",
        ),
        ("orders without cancelled ones", "the rows of orders, where status of orders is not cancelled"),
        ("orders with quantity over 3", "the rows of orders, where quantity of orders > 3"),
        (
            "orders where quantity is between 2 and 4 and channel is Web",
            "the rows of orders, where channel of orders is Web and quantity of orders >= 2 and quantity of orders <="
            " 4",
        ),
        ("revenue where quantity is 3", f"{REVENUE}, where quantity of orders = 3"),
        # Times.
        (
            "revenue between 2025-03-01 and 2025-06-30",
            f"{REVENUE}, where ordered_on of orders >= 2025-03-01 and ordered_on of orders < 2025-07-01",
        ),
        ("revenue since March 2025", f"{REVENUE}, where ordered_on of orders >= 2025-03-01"),
        (
            "revenue excluding cancelled since 2025-03-01",
            f"{REVENUE}, where status of orders is not cancelled and ordered_on of orders >= 2025-03-01",
        ),
        ("revenue before Q2 2025", f"{REVENUE}, where ordered_on of orders < 2025-04-01"),
        (
            "revenue last month by channel",
            f"{REVENUE}, by channel of orders, where ordered_on of orders >= 2025-12-01 and ordered_on of orders <"
            " 2026-01-01",
        ),
        ("customers who joined_on after 2025", "the rows of customers, where joined_on of customers >= 2026-01-01"),
        # What is left to whoever reads the result.
        ("top 10 regions by revenue", f"{REVENUE}, by region of regions"),
        ("which channels have the highest revenue", f"{REVENUE}, by channel of orders"),
        ("revenue by channel sorted by revenue descending", f"{REVENUE}, by channel of orders"),
        # Functions.
        (
            "first ordered_on by channel",
            "min of ordered_on of orders as min_ordered_on, from the rows of orders, by channel of orders",
        ),
        (
            "number of customers with orders",
            "number of different customer_id of orders as different_customer_id, from the rows of orders",
        ),
        ("Show me the clean orders please", "the rows of orders"),
    ],
)
def test_a_goal_is_taken_for_what_its_words_name(text: str, goal: str) -> None:
    assert read(text) == [goal]


def test_what_was_made_of_a_word_is_told() -> None:
    (reading,) = readings("revenu by regoin", SHOP)
    assert reading.remarks == (
        "'revenu' was taken for 'revenue'; 'regoin' was taken for 'region'",
        "no column is called revenue: it is quantity x unit_price of orders",
    )


def test_a_goal_that_can_be_read_in_several_ways_has_all_of_them() -> None:
    assert read("revenue by name") == [
        f"{REVENUE}, by name of customers",
        f"{REVENUE}, by name of products",
    ]
    assert len(read("average price by category")) == 2
    # Naming the dataset decides.
    assert len(read("average price of products by category from products")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  ", "The goal is empty"),
        ("please show me the", "names nothing"),
        ("revenue by moon phase", "Nothing there is called 'moon phase'"),
        ("humidity by region", "Nothing there is called 'humidity'"),
        ("hourly revenue", "No dataset has, or can look up"),
        ("regions by channel", "No dataset has, or can look up"),
        ("revenue where status is lost", "it has placed, cancelled"),
        ("revenue by region " * 60, "1,080 characters, and up to 1,000 are read"),
    ],
)
def test_a_goal_that_names_nothing_is_told_what_there_is(text: str, said: str) -> None:
    with pytest.raises(GoalError, match=said) as caught:
        readings(text, SHOP)
    assert "regions (region_id, region)" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nice orders by channel", "'nice' says nothing here"),
        ("top 3 channels by revenue", "'top 3' is left to whoever reads the result: it has all groups, and no order"),
        ("revenue by month and week", "it is told by the week alone, not by the month too"),
        (
            "revenue this year",
            "'this year' is from 2026-01-01 to 2026-12-31, as of today: plan again once that is past",
        ),
        ("orders where channel is Web", "'Web' is looked for as it is written"),
    ],
)
def test_words_that_are_not_in_the_plan_and_what_was_made_of_others_are_told(text: str, told: str) -> None:
    (reading,) = readings(text, SHOP, today=date(2026, 1, 15))
    assert told in reading.remarks


def test_a_value_of_several_columns_is_asked_about_unless_its_column_is_named() -> None:
    customers = replace(SHOP.datasets["customers"], columns=dict(SHOP.datasets["customers"].columns))
    customers.columns["active"] = Column("active", "boolean", 1.0, 0.0, 2)
    orders = replace(ORDERS, columns=dict(ORDERS.columns))
    orders.columns["state"] = Column("state", "string", 1.0, 0.0, 2, values=("placed", "gone"))
    shop = replace(SHOP, datasets={**SHOP.datasets, "customers": customers, "orders": orders})
    assert len(readings("revenue only placed", shop)) == 2
    (reading,) = readings("revenue where state is placed", shop)
    assert str(reading.goal) == f"{REVENUE}, where state of orders is placed"
    (reading,) = readings("active customers by region", shop)
    assert "by region of regions, where active of customers is true" in str(reading.goal)


@given(
    st.dates(date(1900, 1, 1), date(2099, 12, 30)), st.integers(0, 800), st.sampled_from(["2 1 y", "y-m-d", "d.m.y"])
)
def test_a_time_has_the_days_from_its_first_to_its_last(first: date, days: int, form: str) -> None:
    last = min(first + timedelta(days), date(2099, 12, 30))
    forms = {"2 1 y": "%d %B %Y", "y-m-d": "%Y-%m-%d", "d.m.y": "%d.%m.%Y"}
    text = f"revenue between {first.strftime(forms[form])} and {last.strftime(forms[form])} by channel"
    _, (found,) = restricted(text, date(2026, 1, 15))
    assert found.bounds == ((">=", str(first)), ("<", str(last + timedelta(1))))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("share of cancelled orders by region", "Nothing can be planned for 'share'"),
        ("revenue growth by month", "Nothing can be planned for 'growth'"),
        ("average number of orders by region", "Nothing can be planned for 'average number orders'"),
        ("customers without orders", "Nothing can be planned for 'without orders'"),
        ("orders over 100 by region", "Nothing can be planned for 'over 100'"),
        ("revenue by region including cancelled", "Nothing can be planned for 'including'"),
        ("orders where channel contains web", "Nothing can be planned for 'contains'"),
        ("how many orders did customers place", "No dataset has, or can look up"),
        ("revenue except in 2025", "Nothing can be planned for 'in 2025'"),
        ("revenue excluding orders before 2025", "Nothing can be planned for 'before 2025'"),
        ("revenue since June", "Nothing can be planned for 'since June'"),
        ("revenue where status is placed or channel is web", "It is not clear which rows are meant by 'channel web'"),
    ],
)
def test_what_would_be_other_numbers_or_rows_without_a_word_is_not_planned_without_it(text: str, said: str) -> None:
    with pytest.raises(GoalError, match=said):
        readings(text, SHOP)


def test_a_goal_of_many_things_that_can_each_be_read_in_several_ways_comes_to_an_end() -> None:
    """Four ways each for thirty things are more than can be tried; a thing that is named twice is one."""
    numbers = " ".join(f"{kind}_price{n}:float" for n in range(30) for kind in "abcd")
    wide = Survey("/wide", {"sales": dataset("sales", "sale_id", f"sale_id place {numbers}")}, [])
    goal = "total " + ", ".join(f"price{n}" for n in range(30)) + " by place"
    assert all(len(reading.goal.measures) == 30 for reading in readings(goal, wide))
    assert read("revenue by region, region and by region") == read("revenue by region")


def test_where_no_key_leads_from_what_is_measured_to_what_groups_it_that_is_said() -> None:
    with pytest.raises(GoalError, match="'quantity' is of orders, 'region' is of customers and regions, and no key"):
        readings("total quantity by region", replace(SHOP, links=[]))


def test_a_column_that_is_no_number_by_a_little_is_shown_so() -> None:
    orders = replace(ORDERS, columns=dict(ORDERS.columns))
    why = "text, as only 86.2% of its cells are of type float"
    orders.columns["unit_price"] = replace(orders.columns["unit_price"], type="string", nearly=why)
    with pytest.raises(GoalError) as caught:
        readings("total price by status", Survey("/shop", {"orders": orders}, []))
    assert f"quantity, unit_price [{why}], status" in str(caught.value)


def test_a_value_that_is_padded_more_often_than_not_is_one_value() -> None:
    top = [Count(value=value, rows=rows) for value, rows in (("surgery ", 20), ("Oncology", 15), ("Surgery", 12))]
    assert learned(ColumnProfile(name="ward", type="string", missing=0, distinct=3, top=top), 47).values == (
        "Oncology",
        "Surgery",
    )
