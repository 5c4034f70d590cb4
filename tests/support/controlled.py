"""The recording application, configured by JSON in ``CONTROLLED_CONF``. Runs under every Celery version tested."""

import json
import os

from recording import app  # type: ignore[import-not-found]

app.conf.update(json.loads(os.environ.get("CONTROLLED_CONF", "{}")))
