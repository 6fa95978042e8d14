"""Entry points of the installed project; `pip install .` makes this file its top package.

The wheel holds ldm, data, eval, configs and the commands inside one package, so that the general
names `data` and `eval` are not taken in the user's environment. Importing the package puts its
folder on the Python path: in a notebook, `import latent_generative_models`, and then `ldm` as from
a checkout.
"""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

COMMANDS = {
    "ldm-train": "train",
    "ldm-sample": "sample",
    "ldm-eval": "eval",
    "ldm-reproduce": "eval.reproduce",
    "ldm-analysis": "ldm.analysis",
    "ldm-hub": "ldm.hub",
    "ldm-report": "ldm.report",
}


def main() -> None:
    """Run the module that belongs to the command's name, as `python -m` would."""
    runpy.run_module(COMMANDS[Path(sys.argv[0]).stem], run_name="__main__", alter_sys=True)
