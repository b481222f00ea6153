"""Run in the peers' environment: radicale under the settings given as JSON, those of its tests too.

`_filesystem_fsync` is one of them, and can be given neither in a file nor on its command line.
"""

import json
import logging
import sys

from radicale import config, server  # type: ignore[import-not-found]  # is not in ours

if __name__ == "__main__":
    logging.getLogger("radicale").setLevel(logging.ERROR)
    settings = config.load()
    settings.update(json.loads(sys.argv[1]), "bench", privileged=True)
    server.serve(settings)
