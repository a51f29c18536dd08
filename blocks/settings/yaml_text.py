"""YAML of a file that people write, in which no key may stand twice.

Imported where a file is read: commands that read none do not wait for the library.
"""

from typing import Any

import yaml

from blocks.settings.sections import BadSetting


def parsed(text: str | bytes, name: str) -> Any:
    """What the text holds. Raises `BadSetting`, which quotes nothing of it: it may be secret."""
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except _KeyTwice as error:
        raise BadSetting(f"{name} has a key twice{_place(error)}: write it once") from None
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None)
        words = f": {problem}" if problem else ""
        raise BadSetting(f"{name} is not YAML{_place(error)}{words}") from None


class _KeyTwice(yaml.MarkedYAMLError):
    pass


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As usual, but a key that stands twice, of which the last would count, is refused."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _KeyTwice(problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
