"""Outgoing HTTP reaches what it may reach, and nothing that machines keep among themselves."""

import ssl
from collections.abc import Awaitable, Callable

import pytest
import trustme

from blocks.webhooks.outgoing_http import (
    DestinationRefused,
    HostRules,
    NoAnswer,
    OutgoingHttp,
    is_public,
)
from tests.support.servers.ports import free_port
from tests.support.servers.webhook_receiver import Answer, Receiver, a_receiver

ANYWHERE = HostRules()


def allowing(*hosts: str) -> HostRules:
    return HostRules.of(",".join(hosts))


def resolving_to(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


async def post(
    receiver: Receiver, rules: HostRules | None = None, *, url: str | None = None
) -> int:
    async with OutgoingHttp(rules or allowing(receiver.authority), timeout_seconds=0.5) as http:
        return (await http.post(url or receiver.url, b'{"hello": 1}', {"X-Extra": "yes"})).status


# --- what is sent ---------------------------------------------------------------------------------


async def test_the_body_and_the_headers_arrive_as_they_were_given() -> None:
    with a_receiver(Answer(202)) as receiver:
        assert 202 == await post(receiver)

    [received] = receiver.received
    assert ("/hook?team=sales", b'{"hello": 1}') == (received.path, received.body)
    assert (receiver.authority, "yes") == (received.headers["host"], received.headers["x-extra"])


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with (
        a_receiver() as elsewhere,
        a_receiver(Answer(302, {"Location": elsewhere.url})) as receiver,
    ):
        assert 302 == await post(receiver, allowing(receiver.authority, elsewhere.authority))

    assert [] == elsewhere.received


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_receiver() as receiver, a_receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.authority}")

        assert 204 == await post(receiver)

    assert [] == proxy.received


async def test_a_receiver_that_takes_too_long_gave_no_answer() -> None:
    late = r"127\.0\.0\.1 did not answer within 0\.5 s"
    with a_receiver(Answer(after_seconds=1.0)) as receiver, pytest.raises(NoAnswer, match=late):
        await post(receiver)


async def test_a_body_without_end_is_not_read() -> None:
    with a_receiver(Answer(200, {"Content-Length": "1000000000000"})) as receiver:
        assert 200 == await post(receiver)


async def test_where_nothing_listens_there_is_no_answer() -> None:
    port = free_port()
    async with OutgoingHttp(allowing("127.0.0.1"), timeout_seconds=5) as http:
        with pytest.raises(NoAnswer, match=r"127\.0\.0\.1 cannot be reached"):
            await http.post(f"http://127.0.0.1:{port}/", b"", {})


async def test_a_name_that_leads_nowhere_gives_no_answer() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    for resolve in (unknown, resolving_to()):
        async with OutgoingHttp(ANYWHERE, timeout_seconds=5, resolve=resolve) as http:
            with pytest.raises(NoAnswer, match=r"hooks\.example cannot be reached"):
                await http.post("https://hooks.example/", b"", {})


# --- who answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("certified", "arrives"), [("hooks.test", True), ("other.test", False)])
async def test_the_receiver_must_prove_its_name(certified: str, arrives: bool) -> None:
    authority = trustme.CA()
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(certified).configure_cert(served)
    authority.configure_trust(trusted)
    with a_receiver(tls=served) as receiver:
        url = f"https://hooks.test:{receiver.port}/"
        rules, resolve = allowing("hooks.test"), resolving_to("127.0.0.1")
        async with OutgoingHttp(rules, timeout_seconds=5, resolve=resolve, trust=trusted) as http:
            if arrives:
                assert 204 == (await http.post(url, b"", {})).status
            else:
                with pytest.raises(NoAnswer, match="certificate"):
                    await http.post(url, b"", {})

    assert arrives == bool(receiver.received)


# --- where nothing may go -------------------------------------------------------------------------

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",  # where most clouds give a machine its secrets
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    async with OutgoingHttp(
        ANYWHERE, timeout_seconds=5, resolve=resolving_to("8.8.8.8", address)
    ) as http:
        with pytest.raises(DestinationRefused, match=r"hooks\.example leads to"):
            await http.post("https://hooks.example/", b"", {})


async def test_a_name_is_looked_up_once_and_connected_to_by_what_was_checked() -> None:
    """A name server that answers differently the second time (DNS rebinding) is not asked a second
    time.
    """
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.1"] if asked else []

    async with OutgoingHttp(ANYWHERE, timeout_seconds=0.3, resolve=resolve) as http:
        with pytest.raises(DestinationRefused):
            await http.post("https://hooks.example/", b"", {})

    assert ["hooks.example"] == asked


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with a_receiver() as receiver:
        async with OutgoingHttp(ANYWHERE, timeout_seconds=5) as http:
            with pytest.raises(DestinationRefused, match="not a public address"):
                await http.post(f"https://{host}:{receiver.port}/", b"", {})

    assert [] == receiver.received


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", "not reached by https"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://[::ffff:7f00:1]/", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("ftp://hooks.example/", "begins with https://"),
        ("file:///etc/passwd", "begins with https://"),
        ("//hooks.example/", "begins with https://"),
        ("hooks.example", "begins with https://"),
        ("https://", "begins with https://"),
        ("https:///path", "begins with https://"),
        ("https://hooks.example:no/", "no URL"),
        ("https://hooks.example:99999/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://user:secret@hooks.example/", "user or a password"),
        ("https://user@hooks.example/", "user or a password"),
        ("https://@hooks.example/", "user or a password"),
        ("https://hooks.example/#part", "fragment"),
        ("https://hooks.example\\@127.0.0.1/", "printable ASCII"),
        ("https://hooks.example/\r\nX-Injected: 1", "printable ASCII"),
        ("https://hooks.exämple/", "printable ASCII"),
        ("https://hooks.example/" + "a" * 2000, "1 to 2000"),
        ("", "1 to 2000"),
    ],
)
def test_a_url_that_must_not_be_called_is_refused(url: str, reason: str) -> None:
    with pytest.raises(DestinationRefused, match=reason):
        ANYWHERE.check(url)


@pytest.mark.parametrize(
    "url", ["https://hooks.example", "https://hooks.example:8443/a?b=c", "https://8.8.8.8/"]
)
def test_https_on_the_public_internet_needs_no_permission(url: str) -> None:
    ANYWHERE.check(url)


def test_a_refusal_does_not_repeat_the_path() -> None:
    with pytest.raises(DestinationRefused) as refused:
        ANYWHERE.check("http://hooks.example/services/T0/secret-token")

    assert "secret-token" not in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        (" other, 127.0.0.1 ", True),
        ("127.0.0.1:80", False),
        ("127.0.0", False),
        ("", False),
    ],
)
def test_an_exception_is_for_a_host_or_for_a_host_at_one_port(rule: str, allowed: bool) -> None:
    assert allowed == HostRules.of(rule).exempt("127.0.0.1", 8080)


def test_an_exception_for_ipv6_is_written_as_in_a_url() -> None:
    HostRules.of("[::1]:8080").check("http://[::1]:8080/")
