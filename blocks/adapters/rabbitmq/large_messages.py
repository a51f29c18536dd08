"""Keeps large messages out of memory: of a body above a limit a channel keeps the beginning.

AMQP sends a body in frames of at most 128 KiB, and aiormq gathers them all before anyone can look
at the size, though the frame before them has it. One message of 100 MB, or a prefetch window full
of them, would end the process.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from aio_pika import Channel
from aiormq.abc import DeliveredMessage
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from blocks.adapters.consuming import BEGINNING_BYTES

WHOLE_SIZE = "x-whole-size"
"""Header of a message whose body was cut, put there by this process: the bytes it has on the
broker.
"""

Read = Callable[[Any, ContentHeader], Awaitable[DeliveredMessage]]


async def cut_bodies(channel: Channel, max_bytes: int) -> None:
    """From now on, this channel keeps no more than the beginning of a body of more than
    `max_bytes`.
    """
    underlay = cast("Any", await channel.get_underlay_channel())
    read_whole: Read = underlay._read_content

    async def read(frame: Any, header: ContentHeader) -> DeliveredMessage:
        headers: dict[str, Any] = dict(header.properties.headers or {})
        headers.pop(WHOLE_SIZE, None)
        header.properties.headers = headers
        if header.body_size <= max_bytes:
            return await read_whole(frame, header)
        headers[WHOLE_SIZE] = header.body_size
        body = await _beginning(underlay, header.body_size)
        return DeliveredMessage(delivery=frame, header=header, body=body, channel=underlay)

    underlay._read_content = read


async def _beginning(underlay: Any, size: int) -> bytes:
    kept, come = bytearray(), 0
    while come < size:
        content: ContentBody = await underlay._get_frame()
        come += len(content.value)
        kept += content.value[: BEGINNING_BYTES - len(kept)]
    return bytes(kept)
