"""Which deliberate errors are there: one sentence, what to do about it, the exit code, and whether a retry can help."""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DAMAGED_STATE = 65
EXIT_LEASE_HELD = 75
EXIT_CONFIGURATION = 78


class SelectorError(Exception):
    """Base of every error that we raise on purpose.

    Args:
        message: one sentence that holds the offending value.
        advice: the way out, as a sentence or a command; empty where there is none.

    """

    exit_code = EXIT_FAILED
    retryable = False

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep message and advice apart, so that each output can lay them out in its own way."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(SelectorError):
    """The command line asks for something that cannot be (exit 2)."""

    exit_code = EXIT_USAGE


class ConfigurationError(SelectorError):
    """The configuration is missing, unreadable or wrong (exit 78)."""

    exit_code = EXIT_CONFIGURATION


class DamagedStateError(SelectorError):
    """Our own state cannot be trusted any more (exit 65)."""

    exit_code = EXIT_DAMAGED_STATE


class StateUnavailableError(SelectorError):
    """Our own state cannot be read or written now (disk full, no permission, database down); later it may be."""

    retryable = True


class LeaseHeldError(SelectorError):
    """Another instance is writing to the same registry (exit 75)."""

    exit_code = EXIT_LEASE_HELD
    retryable = True


class MlflowUnreachableError(SelectorError):
    """MLflow did not answer in time; the same call may succeed later."""

    retryable = True


class MlflowRefusedError(SelectorError):
    """MLflow answered and said no: permission, unknown name, unusable value."""


class SchemaMismatchError(SelectorError):
    """Opening this MLflow database would upgrade it in place and lock older servers out."""


class ForeignChangeError(SelectorError):
    """The registry is not as the plan expects it: somebody else moved an alias or deleted a version."""


class ExportError(SelectorError):
    """The champion could not be exported to one place; what was there before is still whole."""

    retryable = True


class ExportBusyError(ExportError):
    """Another process writes the same export just now."""


class HoldoutError(SelectorError):
    """The labelled rows cannot be used: missing file, missing target column, unknown labels."""


class ProductionError(SelectorError):
    """A source of production metrics cannot be read now; the others are read all the same."""

    retryable = True


class ScoringError(SelectorError):
    """One model could not be scored; it costs only itself."""


class StagingError(SelectorError):
    """One staged model could not be read or imported; it costs only itself."""
