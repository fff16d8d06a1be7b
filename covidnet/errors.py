"""The errors that a user can cause; each message names what was found, what was expected and what to do."""

from typing import TypeVar

Raised = TypeVar("Raised", bound=BaseException)


class CovidnetError(Exception):
    """Base of every error that is shown to the user as plain lines, without a traceback."""

    exit_status = 1


class ConfigError(CovidnetError):
    """A configuration key is unknown, ill-typed, out of range or at odds with another key."""

    exit_status = 2


class DataError(CovidnetError):
    """The images or their folder cannot be used as asked."""


class WeightsError(CovidnetError):
    """Pretrained weights or a checkpoint cannot be found, read or fitted to the model."""


class RunError(CovidnetError):
    """A run directory is missing, incomplete or does not belong to what was asked."""


class BusyError(RunError):
    """Another process works in the same directory."""


class AuditGateError(CovidnetError):
    """An audit found something at or above audit.fail_on; the gate is shut."""

    exit_status = 3


class ExplainError(CovidnetError):
    """A model's answers cannot be explained as asked."""


class ExportError(CovidnetError):
    """A network cannot be exported as asked, or the exported file does not give its numbers."""


class Stopped(KeyboardInterrupt):
    """The user stopped a run, which has said how to go on with it."""


class MissingExtraError(CovidnetError):
    """An optional package is needed; the message names the extra that installs it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional package: pip install 'covidnet[{extra}]'")


def came_after(error: BaseException | None, kind: type[Raised] | tuple[type[Raised], ...]) -> Raised | None:
    """The first of this kind among an error and those that it came after; None where there is none.

    An interrupt (Ctrl-C) that passes through a library may end as an error of the library's own.
    """
    while error is not None and not isinstance(error, kind):
        error = error.__context__
    return error
