"""Why a claim service did not do what it was asked for."""

from typing import Literal

from blocks.processes.retries import AttemptFailed

Service = Literal["sync", "detection", "matching", "submission", "rejections", "payments"]

Code = Literal["unavailable", "refused", "bad-answer", "circuit-open"]


class ServiceFailed(AttemptFailed):
    """It was not done, or nothing is known of it; the same key makes it safe to ask again.

    `unavailable`: no answer in time, or an error of the service (5xx). `refused`: it understood and
    declined (4xx, or a body that says so). `bad-answer`: what it answered cannot be used.
    `circuit-open`: it has failed so often that it was not asked.
    """

    def __init__(
        self,
        service: Service,
        code: Code,
        reason: str,
        *,
        is_passing: bool = False,
        is_unreachable: bool = False,
        wait_seconds: float | None = None,
    ) -> None:
        super().__init__(service, code, reason)
        self.service = service
        self.code: Code = code
        self.reason = reason
        """One line for people, without secrets and addresses."""
        self.is_unreachable = is_unreachable
        """Whether there was no connection, which no single user can be the cause of."""
        self.is_passing, self.wait_seconds = is_passing, wait_seconds

    def __str__(self) -> str:
        return self.reason
