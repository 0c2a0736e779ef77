"""What the processes of a clinic log to standard error."""

import logging
import time


def log_in_one_format() -> None:
    """Log from here on: when (UTC), how grave, from where in the program, what."""
    handler = logging.StreamHandler()
    form = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    form.converter = time.gmtime
    handler.setFormatter(form)
    logging.basicConfig(handlers=[handler])
