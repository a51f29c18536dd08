"""The YAML files that people edit: no key stands twice, of which a library would take the last."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blocks.settings import BadSetting
from deployments.bootstrap.prefect_yaml import PREFECT_YAML, read_deployments

ROOT = PREFECT_YAML.parent
FILES = (
    "prefect.yaml",
    "deployments/docker/compose.yaml",
    "blocks/settings/default.yaml",
    "deployments/docker/prometheus/alerts.yml",
    "deployments/docker/prometheus/prometheus.yml",
)


@pytest.mark.parametrize("file", FILES)
def test_no_key_stands_twice(file: str) -> None:
    assert [] == list(repeated_keys((ROOT / file).read_text()))


def test_a_key_that_stands_twice_is_found_even_if_it_merges() -> None:
    twice = "a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\nc: [{y: 1, y: 1}]"

    assert ["<<", "y"] == list(repeated_keys(twice))


def test_prefect_yaml_with_a_key_twice_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    file.write_text("deployments:\n  - {name: a,\n     name: b}\n")

    with pytest.raises(BadSetting, match="has a key twice in line 3"):
        read_deployments(file)


def repeated_keys(text: str) -> Iterator[str]:
    document = yaml.compose(text)
    assert document
    yield from _repeated(document, set())


def _repeated(node: yaml.Node, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from sorted({key for key in keys if keys.count(key) > 1})
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in inner if isinstance(inner, tuple) else (inner,):
            yield from _repeated(part, seen)
