"""docs/scaling.md has the tables of the model, and the model the counts of the tests."""

from pathlib import Path

import pytest
from prefect.settings import Settings

from tests.benchmarks.sizing import capacity
from tests.benchmarks.sizing.simulated_load import simulated, waits
from tests.unit.executions.test_costs import OF_A_DELETION, OF_ANSWERS, OF_ONE

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "scaling.md").read_text()


@pytest.mark.parametrize(
    "table", [*capacity.tables(), waits()], ids=lambda table: table.split("|")[1].strip()
)
def test_the_page_has_every_table_as_the_model_computes_it(table: str) -> None:
    assert table in PAGE


def test_the_page_has_the_request_units_of_an_execution() -> None:
    assert f"= {capacity.ru_of_an_execution():.0f} million RU" in PAGE


def test_the_model_makes_the_requests_that_are_counted() -> None:
    made = capacity.requests()
    writes = sum(one.count for one in made if one.what != "read")

    # Four answers are one write if they come together, of four records.
    assert OF_ONE["writes"] + capacity.STEPS == writes
    assert (OF_ONE + OF_ANSWERS)["reads"] == sum(one.count for one in made) - writes
    # Ours and our signals; the event, and the answers of the services.
    counted = OF_ONE["messages"] + OF_ANSWERS["signals"] + 1 + capacity.STEPS
    assert capacity.MESSAGES == counted


def test_a_deletion_makes_the_requests_that_are_counted() -> None:
    made = capacity.deletion()
    deletes = sum(one.count for one in made if one.what == "delete")

    assert OF_A_DELETION["writes"] == deletes
    # Of executions one read, of steps and approvals a query; the store reads before each delete.
    reads = sum(one.count for one in made if one.what == "read") - 1 + 2
    assert OF_A_DELETION["reads"] == reads


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

    assert [1, 1, 1, 1, 5] == [size.prefect_servers for size in sizes]
    assert 1 == sizes[0].batch < sizes[1].batch < sizes[2].batch
    assert all(size.batch <= capacity.BATCH_MAX for size in sizes)
    assert all(
        size.cores["prefect"] < capacity.BUSY * size.prefect_servers + 1e-9 for size in sizes
    )


def test_prefect_keeps_its_rows_for_as_long_as_the_model_assumes() -> None:
    defaults = Settings.model_construct().server
    kept = {
        "runs": defaults.services.db_vacuum.retention_period,
        "events": defaults.events.retention_period,
    }
    assert {what: time.days for what, time in kept.items()} == capacity.RETENTION_DAYS
    assert "RETENTION" not in (ROOT / "deployments" / "docker" / "compose.yaml").read_text()


def test_a_larger_batch_is_one_row_and_a_little_more_of_it() -> None:
    of_one, of_more = (capacity.prefect_gigabytes_a_day(rate) for rate in (10, 400))
    assert of_one["runs"] < of_more["runs"] < 3 * of_one["runs"]
    assert capacity.prefect_gigabytes(10, {"runs": 2, "events": 1}) == pytest.approx(
        2 * of_one["runs"] + of_one["events"]
    )


def test_a_million_executions_cost_by_the_price_and_the_size_of_results() -> None:
    assert capacity.cost_of_a_million(0.5) == 2 * capacity.cost_of_a_million(0.25)
    assert capacity.cost_of_a_million(0.25, result_kb=4) > capacity.cost_of_a_million(0.25)


@pytest.mark.parametrize(("rate", "tenants", "servers"), [(10, 4, 1), (100, 20, 1), (500, 20, 2)])
def test_once_prefect_is_busy_batches_grow_and_waits_are_rounds_of_the_tenants(
    rate: float, tenants: int, servers: int
) -> None:
    runs_per_second = servers * 1000 / capacity.PREFECT_RUN_MS
    found = simulated(rate, tenants=tenants, servers=servers, seconds=60)

    assert found.flow_runs == pytest.approx(runs_per_second, rel=0.05)
    assert found.batch == pytest.approx(rate / runs_per_second, rel=0.1)
    assert 0.5 < found.p50 * runs_per_second / tenants < 2
    assert found.p95 * runs_per_second / tenants < 2.5


def test_while_prefect_is_not_busy_each_execution_has_a_run_and_waits_grow_with_utilisation() -> (
    None
):
    found = [simulated(rate, tenants=20, seconds=300) for rate in (0.5, 1, 2, 3)]

    assert all(one.batch < 1.05 for one in found)
    assert [one.busy for one in found] == pytest.approx(
        [one.rate * capacity.PREFECT_RUN_MS / 1000 for one in found], rel=0.15
    )
    assert sorted(one.p95 for one in found) == [one.p95 for one in found]


def test_where_batches_are_full_waits_grow_without_end() -> None:
    shorter, longer = (simulated(2_500, tenants=20, seconds=seconds) for seconds in (30, 60))

    assert capacity.BATCH_MAX == pytest.approx(longer.batch, rel=0.05)
    assert longer.p95 > 1.5 * shorter.p95
