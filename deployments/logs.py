"""Logging of our processes: one line per record on stderr, other people's chatter only from WARNING on."""

import logging
import sys
import time

QUIET = ("aio_pika", "aiormq", "asyncio", "azure", "httpcore", "httpx", "prefect", "uvicorn", "websockets")
"""Libraries that tell what they do at INFO. What a flow logs through Prefect still reaches the Prefect UI."""


def configure_logging(level: str, process_name: str) -> None:
    """Records of this process go to stderr as: time, level, process, logger, message. Call it before importing Prefect,
    which leaves a configured root logger alone."""
    formatter = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)-7s {process_name} %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_ours_or_serious)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _is_ours_or_serious(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not record.name.startswith(QUIET)
