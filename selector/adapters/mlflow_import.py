"""How is MLflow imported: late, once, and with defaults that suit a daemon?"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from typing import Any


def mlflow_module(name: str) -> Any:
    """Import a module of MLflow, with our settings in place of its defaults where the user has none.

    One call to a dead server would otherwise block for four minutes, and every run would print a link. MLflow's own
    timeout only ends threads that `within` has given up; uploads of large models need it to be long.
    """
    settings = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_CONFIGURE_LOGGING": "false",  # its own handler would write past our redaction
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    if name in sys.modules:
        return sys.modules[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations at import; none of them is about our calls
        module = importlib.import_module(name)
    logger = logging.getLogger("mlflow")
    if logger.level == logging.NOTSET:
        logger.setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])
    return module
