"""One network and task, every encoder: accuracy, spikes, synaptic events, time, brain alignment.

    python experiments/encoder_swap.py                                    # demo, SIMULATED data
    python experiments/encoder_swap.py --training cifar10 --stimuli brain92 --data-dir DIR

Writes ``curve.csv`` (accuracy against time and cost), ``energy.csv`` (by layer), ``alignment.csv``
(the RSA table), ``summary.csv`` (means over seeds, with the least and the most) and figures into
the run folder, and prints a summary. Running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from neurosim.experiments.settings.options import Layer, Parser, add_options, build
from neurosim.experiments.swap.config import EncoderSwap, SwapExecution
from neurosim.experiments.system.failures import command


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0], epilog="Running the same command resumes.")
    add_options(p, EncoderSwap, "what is compared")
    add_options(p, SwapExecution, "its execution")
    return p


def _command(argv: Sequence[str] | None) -> None:
    layer = Layer.from_command_line(parser().parse_args(argv), EncoderSwap, SwapExecution)
    settings = build(EncoderSwap, EncoderSwap(), layer)
    execution = build(SwapExecution, SwapExecution(), layer)
    from neurosim.experiments.swap.folder import run

    print(run(settings, execution))


main = command(_command, interrupted="finished parts are kept, run again to resume")

if __name__ == "__main__":
    sys.exit(main())
