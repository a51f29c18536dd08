"""docs/scaling.md has the tables of the model, and the model the counts of the tests."""

from pathlib import Path

import pytest

from tests.benchmarks import capacity
from tests.unit.executions.test_costs import OF_EACH

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()


@pytest.mark.parametrize("table", capacity.tables(), ids=lambda table: table.split("|")[1].strip())
def test_the_page_has_every_table_as_the_model_computes_it(table: str) -> None:
    assert table in PAGE


def test_the_page_has_the_request_units_of_an_execution() -> None:
    assert f"= {capacity.ru_of_an_execution():.0f} million RU" in PAGE


def test_the_model_makes_the_requests_that_are_counted() -> None:
    made = capacity.requests()
    writes = sum(one.count for one in made if one.what != "read")

    assert (OF_EACH["writes"], OF_EACH["reads"]) == (writes, sum(r.count for r in made) - writes)
    # Ours and our signals; the event, and the answers of the services.
    assert capacity.MESSAGES == OF_EACH["messages"] + OF_EACH["signals"] + 1 + capacity.STEPS


def test_documented_sizes_cost_what_is_documented_and_others_what_lies_between() -> None:
    assert (1.00, 4.95, 1.14, 6.67) == (
        capacity.read_ru(1),
        capacity.write_ru(1),
        capacity.read_ru(4),
        capacity.write_ru(4),
    )
    assert capacity.write_ru(2) < capacity.write_ru(3) < capacity.write_ru(4)
    assert capacity.write_ru(0.2) == capacity.write_ru(1)


def test_more_executions_need_larger_batches_and_then_more_prefect_servers() -> None:
    sizes = [capacity.size_of(rate) for rate in (1, 10, 100, 1_000, 5_000)]

    assert [1, 1, 1, 3, 11] == [size.prefect_servers for size in sizes]
    assert 1 == sizes[0].batch < sizes[1].batch < sizes[2].batch
    assert all(size.batch <= capacity.BATCH_MAX for size in sizes)
    assert all(size.cores["prefect"] <= capacity.BUSY * size.prefect_servers for size in sizes)


def test_a_million_executions_cost_by_the_price_and_the_size_of_results() -> None:
    assert capacity.cost_of_a_million(0.5) == 2 * capacity.cost_of_a_million(0.25)
    assert capacity.cost_of_a_million(0.25, result_kb=4) > capacity.cost_of_a_million(0.25)
