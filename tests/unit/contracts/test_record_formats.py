"""Two versions side by side read each other's records: an upgrade, and the way back."""

from pathlib import Path

import msgspec

from tests.unit.contracts.record_formats import Field, Formats, formats

RELEASED = msgspec.json.decode(
    Path(__file__).with_name("record_formats.json").read_bytes(), type=Formats
)

NEW_CHOICES: dict[str, str] = {}
"""`Struct.field` that has more types than in the release, and why its readers never meet them."""


def test_what_the_release_has_written_is_read() -> None:
    assert [] == problems(writer=RELEASED, reader=formats())


def test_the_release_reads_what_is_written_now() -> None:
    """It is what a rollback meets; what is new is off until all processes know it."""
    found = problems(writer=formats(), reader=RELEASED)

    assert [] == [one for one in found if one.partition(":")[0] not in NEW_CHOICES]


def test_a_format_that_does_not_fit_is_found() -> None:
    old: Formats = {"A": {"x": Field(True, ("str",)), "y": Field(False, ("int",))}}

    assert ["A.z: is needed, and was not written"] == problems(
        writer=old, reader={"A": {**old["A"], "z": Field(True, ("str",))}}
    )
    assert ["A.x: may be none"] == problems(
        writer={"A": {"x": Field(True, ("none", "str"))}}, reader=old
    )
    assert [] == problems(writer=old, reader={"A": {**old["A"], "z": Field(False, ("str",))}})


def problems(*, writer: Formats, reader: Formats) -> list[str]:
    """What a reader of the one format cannot read of the other's records."""
    found = []
    for name, fields in reader.items():
        written = writer.get(name)
        if written is None:  # a kind that only one version knows is not listed by the other
            continue
        for field, read in fields.items():
            if field not in written:
                found += (
                    [f"{name}.{field}: is needed, and was not written"] if read.required else []
                )
            elif more := set(written[field].types) - set(read.types):
                found.append(f"{name}.{field}: may be {', '.join(sorted(more))}")
    return found
