"""CLAIMS_INTERNAL_ADDRESS and CLAIMS_TENANT: what goes together, and what is warned of."""

import pytest

from blocks.settings import BadSetting, load_settings
from blocks.settings.server import internal_address_of
from tests.support.factories import A_TENANT


def test_by_default_there_is_no_internal_address() -> None:
    settings = load_settings({})

    assert (None, ()) == (internal_address_of(settings.claims), settings.notes)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:3001", "127.0.0.1", 3001),
        ("localhost:3001", "localhost", 3001),
        ("[::1]:3001", "::1", 3001),
    ],
)
def test_an_address_of_this_machine_is_taken_without_a_word(
    address: str, host: str, port: int
) -> None:
    settings = load_settings({"CLAIMS_INTERNAL_ADDRESS": address, "CLAIMS_TENANT": A_TENANT})

    assert ((host, port), ()) == (internal_address_of(settings.claims), settings.notes)


@pytest.mark.parametrize("address", ["0.0.0.0:3001", "10.1.2.3:3001", "[::]:3001", "api:3001"])
def test_one_that_other_machines_reach_is_a_warning(address: str) -> None:
    settings = load_settings({"CLAIMS_INTERNAL_ADDRESS": address, "CLAIMS_TENANT": A_TENANT})

    [note] = settings.notes
    assert "warning" == note.level
    assert "CLAIMS_INTERNAL_ADDRESS" in note.text


@pytest.mark.parametrize(
    "address", ["3001", ":3001", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "a:70000", "http://a:1"]
)
def test_a_malformed_address_is_one_line(address: str) -> None:
    with pytest.raises(BadSetting, match=r"\(CLAIMS_INTERNAL_ADDRESS\) is .*: use HOST:PORT") as it:
        load_settings({"CLAIMS_INTERNAL_ADDRESS": address, "CLAIMS_TENANT": A_TENANT})

    assert "\n" not in str(it.value)


def test_an_address_without_a_tenant_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting, match=r"\(CLAIMS_TENANT\) is empty: name the tenant"):
        load_settings({"CLAIMS_INTERNAL_ADDRESS": "127.0.0.1:3001"})


@pytest.mark.parametrize("address", ["", "127.0.0.1:3001"])
def test_a_tenant_that_is_no_uuid_is_a_bad_setting(address: str) -> None:
    with pytest.raises(BadSetting, match=r"\(CLAIMS_TENANT\) is 'acme': use a tenant's UUID"):
        load_settings({"CLAIMS_TENANT": "acme", "CLAIMS_INTERNAL_ADDRESS": address})
