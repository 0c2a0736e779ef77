"""Logging of a clinic's processes."""

import logging
import time
import warnings


def configure_logging() -> None:
    """Log to standard error: time (UTC), level, logger and message.

    Warnings of pydicom are left out: they quote values of the file, and so patient data.
    """
    handler = logging.StreamHandler()
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler])
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="pydicom")
