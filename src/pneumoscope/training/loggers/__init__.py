"""Loggers: trainings shown in TensorBoard, MLflow or Weights & Biases, beside their Runs."""

from pneumoscope.training.loggers.catalogue import open_loggers
from pneumoscope.training.loggers.training_logger import TrainingLogger, log_training

__all__ = ["TrainingLogger", "log_training", "open_loggers"]
