"""Let a virtual environment's `activate` script set what our commands set for themselves.

    python -m oneday.activate .venv

So that `source .venv/bin/activate; accelerate launch ...` sends no telemetry and uses all processors. A variable
that is already set keeps its value. The Makefile calls this once.
"""

import sys
from pathlib import Path

from oneday.console import library_environment

MARK = "# set by oneday"


def main(venv: Path) -> int:
    """Append the exports to the environment's `activate`, once."""
    script = venv / "bin" / "activate"
    text = script.read_text(encoding="utf-8")
    if MARK not in text:
        exports = [f'export {name}="${{{name}:-{value}}}"' for name, value in library_environment().items()]
        script.write_text("\n".join([text.rstrip(), "", MARK, *exports, ""]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
