"""The STDP laboratory: what timing variants do, beside what theory and data say.

    python experiments/stdp_timing.py --out runs/stdp          # figures and tables
    python experiments/stdp_timing.py --check                  # every variant against its law

Draws, for the chosen variants, the window, the frequency dependence beside the data of Sjostrom
et al. 2001, and the drift by rates; and the weights that Poisson spikes lead to under four weight
dependences. Every number comes from the kernels that train networks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from neurosim.experiments.lab.timing_settings import Settings
from neurosim.experiments.settings.options import Layer, Parser, add_options, build
from neurosim.experiments.system.failures import command


def _command(argv: Sequence[str] | None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_options(parser, Settings, "settings")
    layer = Layer.from_command_line(parser.parse_args(argv), Settings)
    settings = build(Settings, Settings(), layer)
    from neurosim.experiments.lab.timing import run_check, run_figures

    if not settings.check:
        return run_figures(settings)
    # The default of the figures is a choice among variants; a check leaves none out unasked.
    named = "variants" in layer.values and settings.variants != ("all",)
    return run_check(settings, settings.variants if named else None)


main = command(_command, interrupted="finished figures are kept")

if __name__ == "__main__":
    sys.exit(main())
