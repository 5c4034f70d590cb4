"""One fuzzing process: ``python -m tests.fuzz.run TARGET FOLDER OPTION…``; the options are libFuzzer's.

Only the listener's and the sender's code is instrumented, so that what is new is new there.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    target, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["daemon.hl7listener", "daemon.sender"], enable_loader_override=False):
        from tests.fuzz import targets  # noqa: PLC0415 - instrumented while it is imported
    chosen = {**targets.TARGETS, "each": targets.each, "naive": targets.naive}[target]
    atheris.Setup([sys.argv[0], *options], chosen)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
