"""Hierarchy of errors; each message names the file, what is wrong and what to do."""


class PneumoscopeError(Exception):
    """Base class of all errors that a user can cause or remedy."""


class UnreadableRadiographError(PneumoscopeError):
    """An image cannot be read; in a batch it becomes one row with this reason."""

    code = "undecodable"
    """Code of the reason, stable, for programs."""


class NotAnImageError(UnreadableRadiographError):
    """A DICOM object that is no image: a directory, report, key object or document."""

    code = "not_an_image"


class DatasetError(PneumoscopeError):
    """A source, table or manifest cannot be used as a dataset."""


class TableError(PneumoscopeError):
    """A CSV or Parquet file is not a table with one row per file."""


class DownloadError(PneumoscopeError):
    """A download failed, or the downloaded file is not the published one."""


class WeightsError(PneumoscopeError):
    """A file of network weights is missing or differs from the published one."""


class DeviceError(PneumoscopeError):
    """The device that was asked for is not there."""


class PluginError(PneumoscopeError):
    """A network or metric of another package cannot be found, imported or used."""


class RecipeError(PneumoscopeError):
    """A recipe has an unknown setting or a value out of range."""


class RunError(PneumoscopeError):
    """A Run directory cannot be written, resumed or read."""


class RunInterruptedError(RunError):
    """The user stopped a training; its finished epochs are kept."""


class BundleError(PneumoscopeError):
    """A bundle is missing, damaged or of another format."""


class PredictionsError(PneumoscopeError):
    """A table of predictions cannot be evaluated."""


class ArrayError(PneumoscopeError, ValueError):
    """Images or labels in arrays cannot be used; a ``ValueError`` too, as scikit-learn expects."""


class MissingPackageError(PneumoscopeError):
    """A package that an extra installs is missing."""


class StorageError(PneumoscopeError):
    """A file or folder could not be written; what was there before is untouched."""


class ClinicError(PneumoscopeError):
    """The clinic's server cannot start, or a request or command for it cannot be carried out."""
