"""Who is new, and which steps were done for them."""

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import USER_ONBOARDING
from blocks.contracts.reading.uuids import matching_id
from blocks.operations import states
from blocks.operations.inputs import stated
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore


class User(msgspec.Struct, frozen=True, kw_only=True):
    """As the trigger states them; what it does not state is empty."""

    id: str
    email: str
    name: str

    @property
    def key(self) -> str:
        """What is the same at every repetition: the id, or else the address."""
        return matching_id(self.id) or self.email.lower()

    @property
    def facts(self) -> dict[str, str]:
        """What is stated, as services are asked."""
        facts = {"userId": self.id, "email": self.email, "name": self.name}
        return {name: value for name, value in facts.items() if value}


def user_in(input: JsonObject) -> User:
    """Of a run's input, wherever in it they are stated."""
    return User(
        id=stated(input, "userId"), email=stated(input, "email"), name=stated(input, "name")
    )


class Onboarded(msgspec.Struct, frozen=True):
    """What is kept of a user: the figures of the steps that were done, by step."""

    steps: dict[str, JsonObject] = {}


async def done_before(store: RecordStore, user: User, step: str) -> JsonObject | None:
    """The figures of the step, if it was done for this user. Raises `NotConfigured` for none."""
    if not user.key:
        raise NotConfigured("No user provided: the input states neither userId nor email")
    figures = (await _of(store, user)).steps.get(step)
    return None if figures is None else {**figures, "doneBefore": True}


async def keep(store: RecordStore, user: User, step: str, figures: JsonObject) -> None:
    """The step was done for this user. One run of the operation is at work at a time."""
    steps = (await _of(store, user)).steps | {step: figures}
    await states.keep(store, USER_ONBOARDING, user.key, Onboarded(steps))


async def _of(store: RecordStore, user: User) -> Onboarded:
    return await states.known(store, USER_ONBOARDING, user.key, Onboarded) or Onboarded()
