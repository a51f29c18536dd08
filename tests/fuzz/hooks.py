"""Loaded by Schemathesis: it makes up a few keys for many requests, and would be answered with
earlier answers.

So it does not see the parameter `Idempotency-Key`, which has tests of its own.
"""

from typing import Any

import schemathesis


def before_load_schema(_: Any, document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [
                one for one in parameters if one["name"] != "Idempotency-Key"
            ]


schemathesis.hook("before_load_schema")(before_load_schema)
