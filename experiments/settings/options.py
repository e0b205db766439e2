"""Frozen dataclasses from a YAML or TOML file and the command line: one definition for both.

A field declared with ``option`` is a key of the file and an option of the command line. Layers
(preset, file, command line) are plain mappings laid over each other; msgspec converts what they
hold to the fields' types, and the class checks the values when it is built. Command lines are
argparse's: generators of command lines from dataclasses (tyro, jsonargparse) do not tell an option
that was given from a default, which layers need, and answer in several lines.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from neurosim.naming.choices import Choices, nearest, shown

T = TypeVar("T")
_DOCUMENT_END = "...\n"


def option(default: T, help: str, *, known: Sequence[str] = (), none: str = "") -> T:
    """A field that is a setting: its default, what it is, and how None is written.

    Args:
        known: the names that it allows, for ``--help``; the class itself checks them.
        none: the word for None ("all"), in files and on the command line.
    """
    metadata = {"help": help, "known": tuple(known), "none": none}
    return dataclasses.field(default=default, metadata=metadata)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are exceptions, so that a program answers in one form."""

    def __init__(self, **options: Any) -> None:
        # A shortened name would turn ambiguous when an option is added.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise ValueError(f"{message} (--help lists the options)")

    def parse_args(self, args=None, namespace=None):
        """Parse; an unknown option is answered with the nearest known one."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            # What follows an unknown option is its value.
            word = next((word for word in unknown if word.startswith("-")), unknown[0])
            options = [name for name in self._option_string_actions if name.startswith("--")]
            near = nearest(word.split("=")[0], options)
            hint = f" (did you mean {near}?)" if near else ""
            self.error(f"unknown {'option' if word[0] == '-' else 'argument'} {word!r}{hint}")
        return found


def add_options(parser: argparse.ArgumentParser, cls: type, title: str) -> None:
    """One option for each field of ``cls``, spelt with dashes; absent ones stay None."""
    group = parser.add_argument_group(title)
    for field, kind in _fields(cls):
        flag = "--" + field.name.replace("_", "-")
        help = field.metadata["help"]
        if field.metadata["known"]:
            help += ": " + ", ".join(field.metadata["known"])
        help = help.replace("%", "%%")
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=help)
            continue
        many = typing.get_origin(kind) is tuple
        metavar = field.name.upper().removesuffix("S") if many else field.name.upper()
        if field.metadata["none"]:
            metavar += f"|{field.metadata['none']}"
        group.add_argument(flag, nargs="+" if many else None, metavar=metavar, help=help)


@dataclass(frozen=True)
class Layer:
    """Settings from one place.

    source: as named in errors ("in run.yaml", "on the command line"). text: values are text that is
    still to be read as numbers.
    """

    source: str
    values: Mapping[str, Any]
    text: bool = False

    @classmethod
    def from_command_line(cls, arguments: argparse.Namespace, *classes: type) -> Layer:
        """The options that were given."""
        names = [field.name for each in classes for field, _ in _fields(each)]
        given = {name: getattr(arguments, name) for name in names}
        return cls(
            "on the command line", {k: v for k, v in given.items() if v is not None}, text=True
        )

    @classmethod
    def from_file(cls, path: Path, known: Sequence[str]) -> Layer:
        """A YAML or TOML file, by its ending.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no YAML or TOML, or holds a key that is not in ``known``.
        """
        values = read_file(Path(path))
        for key in values:
            if key not in known:
                try:
                    _ = Choices("setting", dict.fromkeys(known))[key]
                except ValueError as error:
                    raise ValueError(f"{path}: {error}") from None
        return cls(f"in {path}", values)

    def read(self, cls: type, name: str) -> Any:
        """One setting, converted to the type of its field in ``cls``."""
        ((field, kind),) = [found for found in _fields(cls) if found[0].name == name]
        return _convert(field, kind, self)


def build(cls: type[T], base: T, *layers: Layer) -> T:
    """``base`` with the settings of the layers in place, the last one on top.

    Raises:
        ValueError: a value has the wrong type, or the class refuses it; where all came from the
            command line, the message names its options.
    """
    given = {
        field.name: _convert(field, kind, layer)
        for layer in layers
        for field, kind in _fields(cls)
        if field.name in layer.values
    }
    try:
        return dataclasses.replace(base, **given)  # type: ignore[type-var]
    except ValueError as error:
        if not all(layer.text for layer in layers):
            raise
        raise ValueError(in_options(str(error), names(cls))) from None


def in_options(message: str, known: Sequence[str]) -> str:
    """A message about settings, in the words of the command line: ``n_train`` is ``--n-train``.

    A name without an underscore may be a word; it is a setting where the message starts with it.
    Settings inside of a text, ``stdp(weight_dependence=...)``, keep their names.
    """
    if " has no setting " in message:
        return message
    compound = "|".join(name for name in known if "_" in name)
    return re.sub(
        rf"^({'|'.join(known)})\b(?!_)" + (rf"|\b({compound})\b" if compound else ""),
        lambda found: "--" + found[0].replace("_", "-"),
        message,
    )


def in_python(message: str, known: Sequence[str]) -> str:
    """A message of a command, in the words of Python: ``--data-dir`` is ``data_dir``.

    Options that are not in ``known`` stay: they name a command that has no argument.
    """

    def argument(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        if name not in known:
            return found[0]
        return "`download=True`" if name == "download" else f"`{name}`"

    return re.sub(r"(?<![\w-])--([a-z][a-z-]*[a-z])", argument, message)


def path_text(path: Path) -> str:
    """A path as text that every file and page can hold, also where the locale has no such letters.

    Raises:
        ValueError: its bytes are not UTF-8.
    """
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeError:
        # Undecodable bytes are surrogates in Python, which no file in UTF-8 can hold.
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise ValueError(
            f"the name {shown} holds bytes that are not text in UTF-8: give a folder or file of "
            "another name"
        ) from None


def require_folder(out: Path) -> None:
    """Refuse an output folder that is a file, would lie below one, has no name in UTF-8, or
    could not be written to."""
    _ = path_text(out)
    for path in (out, *out.parents):
        if path.exists():
            if not path.is_dir():
                raise ValueError(f"{path} is a file, not a folder: give another --out")
            if not os.access(path, os.W_OK):
                raise ValueError(f"{path} cannot be written to: give another --out")
            return


#: Tables and tensors hold whole numbers, seeds among them, in 64 bits.
LARGEST = 2**63 - 1


def require_seeds(name: str, seeds: Sequence[int]) -> None:
    """Refuse seeds that a result table cannot hold, twice the same, or none.

    Raises:
        ValueError: naming those that are wrong.
    """
    wrong = [seed for seed in seeds if not 0 <= seed <= LARGEST]
    if wrong or not seeds or len(set(seeds)) != len(seeds):
        told = ", ".join(map(str, wrong or seeds)) or "none"
        raise ValueError(
            f"{name} must be whole numbers from 0 to 2^63 - 1, at least one and each once, "
            f"got {told}"
        )


def to_yaml(*settings: Any) -> str:
    """The settings as a YAML file that ``Layer.from_file`` reads back, each with what it is."""
    import yaml

    lines = []
    for field, value in _plain(*settings):
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
        # A scalar is dumped with the mark of a document's end.
        entry = f"{field.name}: {text.removesuffix(_DOCUMENT_END).strip()}"
        lines.append(f"{entry:<44} # {field.metadata['help']}")
    return "\n".join(lines) + "\n"


def to_toml(*settings: Any) -> str:
    """The same as TOML, which has no null: what is not set is a comment."""
    import tomli_w

    lines = []
    for field, value in _plain(*settings):
        entry = f"# {field.name} =" if value is None else tomli_w.dumps({field.name: value})
        entry = re.sub(r",?\s*\n\s*\]", " ]", entry.strip())
        entry = re.sub(r"\s*\n\s*", " ", entry)
        lines.append(f"{entry:<44} # {field.metadata['help']}")
    return "\n".join(lines) + "\n"


def names(*classes: type) -> list[str]:
    """The settings of some classes."""
    return [field.name for cls in classes for field, _ in _fields(cls)]


def _fields(cls: type) -> Iterator[tuple[dataclasses.Field, Any]]:
    """Each setting with its type, ``| None`` taken off."""
    # Types are text until they are looked up, in the module that wrote them.
    hints = typing.get_type_hints(cls, vars(sys.modules[cls.__module__]))
    for field in dataclasses.fields(cls):
        if "help" in field.metadata:
            kinds = [k for k in typing.get_args(hints[field.name]) if k is not type(None)]
            union = type(None) in typing.get_args(hints[field.name])
            yield field, kinds[0] if union else hints[field.name]


@dataclass(frozen=True)
class Setting:
    """One field that is a setting: its default, what it is, and the values that it allows."""

    name: str
    default: Any
    help: str
    allowed: str


def settings_of(cls: type) -> list[Setting]:
    """The settings of a class as declared, for pages that explain them."""
    return [
        Setting(
            field.name,
            field.default,
            field.metadata["help"],
            ", ".join(field.metadata["known"]) or _allowed(field, kind),
        )
        for field, kind in _fields(cls)
    ]


def _plain(*settings: Any) -> Iterator[tuple[dataclasses.Field, Any]]:
    for each in settings:
        for field, _ in _fields(type(each)):
            value = getattr(each, field.name)
            if value is None and field.metadata["none"]:
                value = field.metadata["none"]
            if isinstance(value, Path):
                text = path_text(value)
                # A folder that is called so, and no home folder.
                value = f"./{text}" if text.startswith("~") else text
            yield field, list(value) if isinstance(value, tuple) else value


def _convert(field: dataclasses.Field, kind: Any, layer: Layer) -> Any:
    value = layer.values[field.name]
    name = "--" + field.name.replace("_", "-") if layer.text else field.name
    if field.metadata["none"] and value == field.metadata["none"]:
        return None
    if value is None:
        if field.default is None or field.metadata["none"]:
            return None
        raise ValueError(f"{name} is empty {layer.source}: give a value or leave it out")
    try:
        found = msgspec.convert(value, kind, strict=not layer.text, dec_hook=_from_text)
    except msgspec.ValidationError:
        raise ValueError(
            f"{name} {layer.source} is {shown(value)}: give {_allowed(field, kind)}"
        ) from None
    for number in found if isinstance(found, tuple) else (found,):
        # NaN too, and what no table and no tensor can hold.
        if isinstance(number, int | float) and not abs(number) <= LARGEST:
            raise ValueError(
                f"{name} {layer.source} is {shown(value)}: give finite numbers of at most 2^63 - 1"
            )
    return found


def _allowed(field: dataclasses.Field, kind: Any) -> str:
    return _in_words(kind) + (f" or {word!r}" if (word := field.metadata["none"]) else "")


_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
}


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"a list, each entry {_in_words(typing.get_args(kind)[0])}"
    return _WORDS.get(kind, str(kind))


def _from_text(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value:
        # A shell does it on a command line; nobody does it in a file.
        return Path(os.path.expanduser(value))
    raise ValueError(f"expected {kind.__name__}, got {value!r}")


def read_file(path: Path) -> dict[str, Any]:
    """The settings in a YAML or TOML file, by its ending.

    Raises:
        FileNotFoundError, ValueError: as ``Layer.from_file``.
    """
    if path.suffix not in (".yaml", ".yml", ".toml"):
        raise ValueError(f"{path}: a configuration is a .yaml, .yml or .toml file")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"no configuration {path}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error.reason}") from None
    try:
        values = tomllib.loads(text) if path.suffix == ".toml" else _yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold settings, one 'name: value' a line")
    return values


def _yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML takes the last of two equal keys in silence; here they are an error."""

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is there twice")
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        return yaml.load(text, Loader) or {}
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
