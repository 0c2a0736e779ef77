"""The one hierarchy of errors; each message names the file, what is wrong and what to do."""


class PneumoscopeError(Exception):
    """Root of every error that a user can cause or cure."""


class UnreadableRadiographError(PneumoscopeError):
    """One image cannot be read; in a batch it becomes one row with this reason."""


class DatasetError(PneumoscopeError):
    """A source, table or manifest cannot serve as a dataset."""


class TableError(PneumoscopeError):
    """A CSV or Parquet file is not a table with one row per file."""


class DownloadError(PneumoscopeError):
    """A download failed, or what came is not what was asked for."""


class WeightsError(PneumoscopeError):
    """A file of network weights is missing or is not what it should be."""


class RecipeError(PneumoscopeError):
    """A recipe has an unknown setting or a value out of range."""


class RunError(PneumoscopeError):
    """A Run directory cannot be written, resumed or read."""


class RunInterruptedError(RunError):
    """The user stopped a training; what is finished of it is kept."""


class BundleError(PneumoscopeError):
    """A bundle is missing, damaged or of another format."""


class PredictionsError(PneumoscopeError):
    """A table of predictions cannot be evaluated."""


class StorageError(PneumoscopeError):
    """Something could not be written; what was there before is untouched."""


class ClinicError(PneumoscopeError):
    """The clinic's server cannot start, or cannot do what it was asked for."""
