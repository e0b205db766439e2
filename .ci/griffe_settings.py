"""Settings classes in the reference: the true defaults, and a table of every setting.

A field ``epochs: int = option(5, "epochs of training")`` is a setting. Read as source its default
would be the whole call; here it is the default that the declaration holds, and the class shows a
table with what each setting is and the values that it allows.
"""

from __future__ import annotations

import importlib

from griffe import Attribute, Class, ExprCall, Extension, Module

from neurosim.experiments.settings.options import settings_of

_OPTION = "neurosim.experiments.settings.options.option"


class Settings(Extension):
    """Runs before griffe makes the constructors of dataclasses, so that these show the defaults."""

    def on_package(self, *, pkg: Module, **kwargs: object) -> None:
        """Called by griffe with a package that it has read."""
        for module in _modules(pkg):
            for cls in module.classes.values():
                if not cls.is_alias:
                    _show(cls)


def _modules(module: Module) -> list[Module]:
    below = [child for child in module.modules.values() if not child.is_alias]
    return [module, *(found for child in below for found in _modules(child))]


def _show(cls: Class) -> None:
    declared = {name: each for name, each in cls.attributes.items() if _is_setting(each)}
    if not declared:
        return
    declaration = getattr(importlib.import_module(cls.module.path), cls.name)
    lines = ["| setting | default | what it is | allowed |", "|---|---|---|---|"]
    for setting in settings_of(declaration):
        # What differs from machine to machine stands as it is written: os.cpu_count() or 1.
        written = str(declared[setting.name].value.arguments[0])
        default = written if "(" in written and written[0] != "(" else repr(setting.default)
        declared[setting.name].value = default
        told = (f"`{setting.name}`", f"`{default}`", setting.help, setting.allowed)
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in told) + " |")
    cls.docstring.value += "\n\n" + "\n".join(lines)


def _is_setting(attribute: Attribute) -> bool:
    call = attribute.value
    return isinstance(call, ExprCall) and call.canonical_path == _OPTION
