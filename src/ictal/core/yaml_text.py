"""Read YAML that people write."""

from collections.abc import Hashable
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice; YAML does too (1.2, section 3.2.1.3), but PyYAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [(key.value, key.start_mark) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for number, (name, mark) in enumerate(keys):
            if isinstance(name, str) and any(name == before for before, _ in keys[:number]):
                raise yaml.constructor.ConstructorError(None, None, f"the key '{name}' is there twice", mark)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """Return what YAML text says; raise a `yaml.YAMLError` if it is not YAML, or has a key twice in one mapping."""
    return yaml.load(text, _Loader)
