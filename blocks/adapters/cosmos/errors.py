"""The Azure SDK's errors in the words of the port."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import AzureError
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from blocks.ports import AlreadyExists, NotFound, Stale, Throttled, TooLarge, Unavailable

_RETRY_AFTER_MS = "x-ms-retry-after-ms"
_RETRY_AFTER_SECONDS = 1.0


@contextmanager
def translated(about: str, missing: type[Exception] = NotFound) -> Iterator[None]:
    """The SDK's errors as those of the port; `missing` is what it means that something is not
    there.
    """
    try:
        yield
    except CosmosResourceExistsError as error:
        raise AlreadyExists(about) from error
    except CosmosAccessConditionFailedError as error:
        raise Stale(about) from error
    except CosmosResourceNotFoundError as error:
        # A sub-status distinguishes a missing document, a missing container and a replica that is
        # behind.
        raise (Unavailable if error.sub_status else missing)(f"{about} is not there") from error
    except (CosmosHttpResponseError, CosmosBatchOperationError) as error:
        if error.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise Throttled(
                f"Cosmos DB is asked for more than it may do: {about}",
                retry_after_seconds(error.headers),
            ) from error
        answered = f"Cosmos DB answers {error.status_code} for {about}"
        match error.status_code:
            case HTTPStatus.CONFLICT:  # of one operation in a batch
                raise AlreadyExists(about) from error
            case HTTPStatus.PRECONDITION_FAILED:
                raise Stale(about) from error
            case HTTPStatus.NOT_FOUND:
                raise missing(f"{about} is not there") from error
            case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise TooLarge(answered) from error
            case HTTPStatus.BAD_REQUEST:
                raise ValueError(answered) from error
        raise Unavailable(answered) from error
    except AzureError as error:
        raise Unavailable(
            f"Cosmos DB does not answer for {about}: {type(error).__name__}"
        ) from error
    except TimeoutError as error:
        raise Unavailable(f"Cosmos DB does not answer for {about} in time") from error


def retry_after_seconds(headers: Mapping[str, str] | None) -> float:
    """When to come back, by the headers of an answer."""
    milliseconds = str((headers or {}).get(_RETRY_AFTER_MS, ""))
    return int(milliseconds) / 1000 if milliseconds.isdigit() else _RETRY_AFTER_SECONDS
