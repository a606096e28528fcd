"""Goals in words: what they are taken for, by rules, given what there is; and what is said when they name nothing."""

from dataclasses import replace

import pytest

from core.errors import GoalError
from graphs.planning.data.dataset import Column, Dataset, Link, Survey
from graphs.planning.data.reading import readings


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
    return [str(reading.goal) for reading in readings(text, SHOP)]


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
        ("revenue by region " * 60, "1,080 characters, and up to 1,000 are read"),
    ],
)
def test_a_goal_that_names_nothing_is_told_what_there_is(text: str, said: str) -> None:
    with pytest.raises(GoalError, match=said) as caught:
        readings(text, SHOP)
    assert "regions (region_id, region)" in str(caught.value)


def test_a_goal_of_many_things_that_can_each_be_read_in_several_ways_comes_to_an_end() -> None:
    """Four ways each for thirty things are more than can be tried; a thing that is named twice is one."""
    numbers = " ".join(f"{kind}_price{n}:float" for n in range(30) for kind in "abcd")
    wide = Survey("/wide", {"sales": dataset("sales", "sale_id", f"sale_id place {numbers}")}, [])
    goal = "total " + ", ".join(f"price{n}" for n in range(30)) + " by place"
    assert all(len(reading.goal.measures) == 30 for reading in readings(goal, wide))
    assert read("revenue by region, region and by region") == read("revenue by region")


def test_a_column_that_is_no_number_by_a_little_is_shown_so() -> None:
    orders = replace(ORDERS, columns=dict(ORDERS.columns))
    why = "text, as only 86.2% of its cells are of type float"
    orders.columns["unit_price"] = replace(orders.columns["unit_price"], type="string", nearly=why)
    with pytest.raises(GoalError) as caught:
        readings("total price by status", Survey("/shop", {"orders": orders}, []))
    assert f"quantity, unit_price [{why}], status" in str(caught.value)
