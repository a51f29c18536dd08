"""A handler for tests that remembers what it was handed."""

from blocks.ports import Accept, Delivery, Verdict
from tests.support.waiting import eventually


class Inbox:
    """Answers the first delivery with the first answer, and so on; from then on with the last.
    Errors are raised.
    """

    def __init__(self, *answers: Verdict | Exception) -> None:
        self._answers = list(answers) or [Accept()]
        self.deliveries: list[Delivery] = []

    async def __call__(self, delivery: Delivery) -> Verdict:
        self.deliveries.append(delivery)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def ids(self) -> list[str]:
        return [delivery.message.id for delivery in self.deliveries]

    @property
    def attempts(self) -> list[int]:
        return [delivery.attempt for delivery in self.deliveries]

    async def holds(self, count: int) -> None:
        """At least so many deliveries have come."""

        async def has_enough() -> bool:
            return len(self.deliveries) >= count

        await eventually(has_enough, every_seconds=0.01)
