"""Read a YAML file that people edit, with the line of each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lgsp.errors import ContractError
from lgsp.schema import csv_file


class LocatedMapping(dict[Any, Any]):
    """A mapping with the line where it begins, and the line of each key."""

    line: int
    lines: Mapping[Any, int]


class _Loader(yaml.SafeLoader):
    """A safe loader that keeps the lines of mappings; it refuses a repeated key and an invalid value with their lines."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (
            ValueError,
            LookupError,
            AttributeError,
        ) as error:  # such as month 13, or a tag that does not fit the value
            raise yaml.MarkedYAMLError(problem=f"{node.value} is not valid: {error}", problem_mark=node.start_mark) from error  # fmt: skip

    def located_mapping(self, node: yaml.MappingNode) -> LocatedMapping:
        """The mapping of a node, with its lines."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if (name := str(key.value)) in lines:
                raise yaml.MarkedYAMLError(problem=f"{name} appears twice", problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        mapping = LocatedMapping(self.construct_mapping(node, deep=True))
        mapping.line, mapping.lines = node.start_mark.line + 1, lines
        return mapping


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.located_mapping)


@dataclass(frozen=True)
class Leaf:
    """A value of a YAML file: the keys that lead to it, the text that was written, its line, and its parsed value.

    An element of a list has its number as the last key. An empty mapping or list is a leaf with the value {} or [].
    """

    keys: tuple[str, ...]
    text: str
    line: int
    value: Any


def parse(path: Path) -> Any:
    """The content of a YAML file; mappings have their lines. Raises ContractError, with the line, for invalid YAML."""
    return _loaded(path, lambda loader: loader.get_single_data())


def leaves(path: Path) -> list[Leaf]:
    """All values of a YAML file, in order; empty for an empty file. Raises ContractError as `parse`, also for a repeated key."""

    def collect(loader: _Loader) -> list[Leaf]:
        node = loader.get_single_node()
        return [] if node is None else list(_leaves(loader, node, ()))

    found: list[Leaf] = _loaded(path, collect)
    return found


def _leaves(loader: _Loader, node: yaml.Node, keys: tuple[str, ...]) -> Iterator[Leaf]:
    if isinstance(node, yaml.MappingNode) and node.value:
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} appears twice", problem_mark=key.start_mark)
            seen.add(key.value)
            for leaf in _leaves(loader, value, (*keys, str(key.value))):
                yield (
                    leaf
                    if len(leaf.keys) > len(keys) + 1
                    else Leaf(leaf.keys, leaf.text, key.start_mark.line + 1, leaf.value)
                )
    elif isinstance(node, yaml.SequenceNode) and node.value:
        for number, value in enumerate(node.value):
            yield from _leaves(loader, value, (*keys, str(number)))
    else:
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        yield Leaf(keys, text, node.start_mark.line + 1, loader.construct_object(node, deep=True))


def _loaded(path: Path, read: Any) -> Any:
    text = csv_file.read_text(path)
    loader = None
    try:
        loader = _Loader(text)
        return read(loader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ContractError(f"{path.name}{line}: {_remedy(error)}") from error
    except yaml.reader.ReaderError as error:
        line = f" line {text.count(chr(10), 0, error.position) + 1}"
        raise ContractError(f"{path.name}{line}: {error.reason}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _remedy(error: yaml.MarkedYAMLError) -> str:
    """What the parser found; for a tab, what to write."""
    if "'\\t'" in str(error.problem):
        return "a tab; YAML is indented with blanks"
    return str(error.problem)
