"""The errors that a user can cause; each message names what was found, what was expected and what to do."""


class CovidnetError(Exception):
    """Base of every error that is shown to the user as plain lines, without a traceback."""


class ConfigError(CovidnetError):
    """A configuration key is unknown, ill-typed, out of range or at odds with another key."""


class DataError(CovidnetError):
    """The images or their folder cannot be used as asked."""


class WeightsError(CovidnetError):
    """Pretrained weights or a checkpoint cannot be found, read or fitted to the model."""


class RunError(CovidnetError):
    """A run directory is missing, incomplete or does not belong to what was asked."""


class MissingExtraError(CovidnetError):
    """An optional package is needed; the message names the extra that installs it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional package: pip install 'covidnet[{extra}]'")
