"""``python -m daemon``: the same as the ``carillon`` command."""

from __future__ import annotations

from daemon.cli.main import main

if __name__ == "__main__":
    main()
