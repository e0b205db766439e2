"""``neurosim COMMAND ...``: every command under one name, thin over the same functions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from neurosim.experiments.system.failures import exit_status
from neurosim.naming.choices import Choices


@dataclass(frozen=True)
class Command:
    """A command: what it does, whose ``main`` it calls, and with which words before the user's."""

    does: str
    module: str
    before: tuple[str, ...] = ()


_TRAINING = "neurosim.experiments.training_dynamics"

#: "stdp" -> what it runs; a command of two words has a space.
COMMANDS: Choices[Command] = Choices(
    "command",
    {
        "compare": Command("train rules and compare them with a brain, over training", _TRAINING),
        "plan": Command("what a comparison will take: time, memory, disk", _TRAINING, ("--plan",)),
        "watch": Command("follow a run from another terminal", _TRAINING, ("--watch",)),
        "report": Command("the report of a run, finished or not", _TRAINING, ("--report",)),
        "audit": Command(
            "what the scores of a torch model, a run or activations may be said to show",
            "neurosim.experiments.audit_command",
        ),
        "controls normalisation": Command(
            "every normalisation policy on every network of a run",
            "neurosim.experiments.normalisation_cross",
        ),
        "controls resolution": Command(
            "alignment at every stimulus size, and what of it is image content",
            "neurosim.experiments.resolution_sweep",
        ),
        "controls summary": Command(
            "what the controls found, small enough to keep beside code",
            "neurosim.experiments.control_summary",
        ),
        "stdp": Command(
            "the STDP laboratory: timing variants beside theory and data",
            "neurosim.experiments.stdp_timing",
        ),
        "stdp classics": Command(
            "classic experiments of STDP, simulated: do they come out as published?",
            "neurosim.experiments.stdp_classics",
        ),
        "encoders": Command("one network under every encoder", "neurosim.experiments.encoder_swap"),
        "digits": Command(
            "digits without labels: competing spiking cells",
            "neurosim.experiments.unsupervised_digits",
        ),
        "published switches": Command(
            "switch by switch from the published pipeline to the right one",
            "neurosim.experiments.published_switches",
        ),
        "published numbers": Command(
            "the published profile beside the published numbers",
            "neurosim.experiments.published_numbers",
        ),
        "data": Command(
            "the data sets: what is there, what is missing", "neurosim.experiments.data_sets"
        ),
        "rsa": Command("compare RDM files", "neurosim.rsa.__main__"),
        "export": Command(
            "the spiking network of a run as a NIR file", "neurosim.experiments.export_nir"
        ),
    },
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        return exit_status(lambda: print(_help(COMMANDS)), interrupted="nothing was done")
    if words[0] == "--version":
        print(f"neurosim {import_module('neurosim').__version__}")
        return 0
    group = [name for name in COMMANDS if f"{name} ".startswith(words[0] + " ")]
    # "stdp" is a command, and "stdp classics" another one.
    alone = words[0] in COMMANDS and " ".join(words[:2]) not in COMMANDS
    n_words = 2 if any(" " in each for each in group) and not alone else 1
    name, rest = " ".join(words[:n_words]), words[n_words:]
    known = {each: COMMANDS[each] for each in group or COMMANDS}
    if n_words == 2 and words[1:] and words[1] in ("-h", "--help"):
        return exit_status(lambda: print(_help(known)), interrupted="nothing was done")
    try:
        command = Choices("command", known)[name]
    except ValueError as error:
        print(f"error: {error} (neurosim --help says what each does)", file=sys.stderr)
        return 2
    # argparse calls a program by this name in its usage.
    sys.argv[0] = f"neurosim {name}"
    wants_help = {"-h", "--help"} & set(rest)
    return import_module(command.module).main(
        ["--help"] if wants_help else [*command.before, *rest]
    )


def _help(commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {command.does}" for name, command in commands.items()]
    return "\n".join(
        [
            "usage: neurosim COMMAND ...",
            "",
            *lines,
            "",
            "neurosim COMMAND --help lists its options.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
