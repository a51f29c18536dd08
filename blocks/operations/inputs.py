"""What a trigger states, wherever in a run's input it stands."""

from blocks.contracts.events import JsonObject


def stated(input: JsonObject, name: str) -> str:
    """The text under this name; empty if there is none.

    Callers of the platform put it at the top, into `inputData`, or into the payload of the event
    that started the run.
    """
    event = input.get("triggerEvent")
    payload = event.get("payload") if isinstance(event, dict) else None
    for place in (input, input.get("inputData"), payload):
        value = place.get(name) if isinstance(place, dict) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
