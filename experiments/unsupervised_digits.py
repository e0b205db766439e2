"""Digits without labels: competing spiking cells learn what handwritten digits look like.

    python experiments/unsupervised_digits.py --out runs/digits

After Diehl & Cook 2015 (10.3389/fncom.2015.00099), on the real digits that scikit-learn ships.
Writes ``results.csv``, ``receptive_fields.png`` and ``weights.h5``, and prints how well held-out
digits are told apart: by the trained network, by the same network untrained, and by linear probes.
Running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from neurosim.experiments.lab.digits_settings import Settings
from neurosim.experiments.settings.options import Layer, Parser, add_options, build
from neurosim.experiments.system.failures import command


def _command(argv: Sequence[str] | None) -> None:
    parser = Parser(
        description=__doc__.split("\n")[0], epilog="The figure shows the first seed's network."
    )
    add_options(parser, Settings, "settings")
    layer = Layer.from_command_line(parser.parse_args(argv), Settings)
    settings = build(Settings, Settings(), layer)
    from neurosim.experiments.lab.digits import run

    print(run(settings))


main = command(_command, interrupted="finished seeds are kept, run again to resume")

if __name__ == "__main__":
    sys.exit(main())
