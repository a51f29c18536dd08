"""The proxy that breaks connections in other tests does exactly that."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.servers.tcp_proxy import TcpProxy
from tests.support.waiting import eventually

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """The URL of a server that sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1024):
                writer.write(chunk)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"tcp://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/path"


@pytest.fixture
def proxy(echo: str) -> Iterator[TcpProxy]:
    with TcpProxy(echo) as proxy:
        yield proxy


async def connected(proxy: TcpProxy) -> Client:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echoed(client: Client, words: bytes) -> bytes:
    """What comes back for these words; as much as was sent."""
    client[1].write(words)
    return await asyncio.wait_for(client[0].readexactly(len(words)), 5)


async def is_reset(client: Client) -> bool:
    try:
        return await asyncio.wait_for(client[0].read(), 5) == b""
    except ConnectionError:
        return True


async def test_what_it_is_not_set_to_break_passes(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    assert await echoed(client, b"a" * 300_000) == b"a" * 300_000
    client[1].write_eof()
    assert await client[0].read() == b""


async def test_its_url_is_the_servers_with_another_port(proxy: TcpProxy) -> None:
    assert proxy.url == f"tcp://user:secret@127.0.0.1:{proxy.port}/path"


async def test_a_cut_resets_what_is_connected_and_what_connects(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    await echoed(client, b"hello")
    proxy.cut()
    assert await is_reset(client)
    assert await is_reset(await connected(proxy))
    proxy.pass_all()
    assert await echoed(await connected(proxy), b"again") == b"again"


async def test_a_reset_spares_later_connections(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    await echoed(client, b"hello")
    proxy.reset()
    assert await is_reset(client)
    assert await echoed(await connected(proxy), b"again") == b"again"


async def test_what_is_forgotten_carries_nothing_and_later_connections_pass(
    proxy: TcpProxy,
) -> None:
    client = await connected(proxy)
    await echoed(client, b"hello")

    proxy.forget()

    client[1].write(b"lost")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client[0].read(1), 0.2)
    assert await echoed(await connected(proxy), b"again") == b"again"


async def test_a_blackhole_keeps_the_connection_and_swallows_what_is_sent(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    await echoed(client, b"hello")
    proxy.blackhole()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await echoed(client, b"lost?")
    proxy.pass_all()
    assert await asyncio.wait_for(client[0].readexactly(5), 5) == b"lost?"


async def test_a_blackhole_of_one_direction_hides_answers_only(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    await echoed(client, b"hello")
    proxy.blackhole("to_client")
    client[1].write(b"bytes")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client[0].read(1), 0.2)
    proxy.pass_all()
    assert await asyncio.wait_for(client[0].readexactly(5), 5) == b"bytes"


async def test_a_delay_holds_up_every_chunk(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    proxy.delay(0.2, "to_server")
    began = asyncio.get_running_loop().time()
    await echoed(client, b"slow")
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_a_connection_is_cut_just_before_the_bytes_that_were_named(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    proxy.cut_at(b"ack")
    client[1].write(b"one ac")
    assert await client[0].readexactly(6) == b"one ac"
    client[1].write(b"k two")
    assert await is_reset(client)
    assert proxy.traps_sprung == 1
    assert await echoed(await connected(proxy), b"ack") == b"ack"


async def test_a_connection_is_cut_after_so_many_bytes(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    proxy.cut_after(10)
    client[1].write(b"0123456789abc")
    assert await client[0].readexactly(10) == b"0123456789"
    assert await is_reset(client)
    assert proxy.traps_sprung == 1


async def test_it_knows_how_many_are_connected(proxy: TcpProxy) -> None:
    client = await connected(proxy)
    await echoed(client, b"hello")
    assert proxy.connections == 1
    client[1].close()

    async def is_unused() -> bool:
        return proxy.connections == 0

    await eventually(is_unused)
