"""The notebook's training program in Keras, rewritten from its text.

It needs tensorflow-cpu and nothing of pneumoscope; `training_vs_keras` runs it in an environment of
its own. Where the notebook's text is open, docs/reference/models.md has the choice.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.keras.applications import VGG16
from tensorflow.keras.callbacks import Callback, EarlyStopping, ReduceLROnPlateau
from tensorflow.keras.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
)
from tensorflow.keras.metrics import Precision, Recall
from tensorflow.keras.models import Sequential
from tensorflow.keras.preprocessing.image import ImageDataGenerator
from tensorflow.keras.regularizers import L2

SIZE = 150
BATCH = 32


def model_1():
    """One convolution (2x2) and the output layer."""
    return [Conv2D(16, (2, 2), activation="relu"), Flatten(), _output()]


def model_2():
    """Two convolutions with pooling, two dense layers, dropout."""
    return [
        *(Conv2D(32, (3, 3), activation="relu"), MaxPooling2D((2, 2))),
        *(Conv2D(64, (3, 3), activation="relu"), MaxPooling2D((2, 2))),
        *(Flatten(), Dense(512, activation="relu"), Dense(128, activation="relu")),
        *(Dropout(0.5), _output()),
    ]


def model_3():
    """Three convolutions with batch normalisation, two dense layers."""
    return [
        *_normalised(32),
        *_normalised(64),
        *_normalised(128),
        *(BatchNormalization(), Flatten()),
        *(Dense(256, activation="relu"), Dropout(0.2), BatchNormalization()),
        *(Dense(128, activation="relu"), Dropout(0.25), _output()),
    ]


def model_4():
    """Four convolutions with batch normalisation, two dense layers with it."""
    return [
        *_normalised(32),
        *_normalised(64),
        *_normalised(128),
        *_normalised(256),
        Flatten(),
        *(Dense(512, activation="relu"), BatchNormalization(), Dropout(0.5)),
        *(Dense(256, activation="relu"), BatchNormalization(), Dropout(0.5)),
        _output(),
    ]


def model_7():
    """Frozen VGG16, batch normalisation, three dense layers, all with L2."""
    base = VGG16(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    base.trainable = False
    return [
        *(base, BatchNormalization(), Flatten()),
        *(Dense(512, activation="relu", kernel_regularizer=L2(0.01)), Dropout(0.5)),
        *(Dense(256, activation="relu", kernel_regularizer=L2(0.01)), Dropout(0.5)),
        *(Dense(128, activation="relu", kernel_regularizer=L2(0.01)), Dropout(0.5)),
        Dense(1, activation="sigmoid", kernel_regularizer=L2(0.01)),
    ]


MODELS = {build.__name__: build for build in (model_1, model_2, model_3, model_4, model_7)}
WITH_SCHEDULE = ("model_4", "model_7")


def _normalised(filters):
    return Conv2D(filters, (3, 3), activation="relu"), BatchNormalization(), MaxPooling2D((2, 2))


def _output():
    return Dense(1, activation="sigmoid")


class EpochTimer(Callback):
    """Callback that records the seconds of each epoch, validation included."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Stop the clock."""
        self.seconds.append(round(time.perf_counter() - self.started, 3))


def flow(data, split):
    """Return a generator of one split that reads its files in every epoch; train is shuffled."""
    return ImageDataGenerator(rescale=1.0 / 255).flow_from_directory(
        data / split,
        target_size=(SIZE, SIZE),
        batch_size=BATCH,
        class_mode="binary",
        classes=["NORMAL", "PNEUMONIA"],
        shuffle=split == "train",
    )


def train(data, name, epochs, seed):
    """Train one model as the notebook does, and predict the test split."""
    tf.keras.utils.set_random_seed(seed)
    train_data, val_data, test_data = (flow(data, split) for split in ("train", "val", "test"))
    model = Sequential([Input((SIZE, SIZE, 3)), *MODELS[name]()])
    metrics = [Precision(), Recall()]
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=metrics)
    timer = EpochTimer()
    callbacks = [timer]
    if name != "model_1":  # three epochs and no early stopping in the notebook
        callbacks.append(EarlyStopping(monitor="val_loss", patience=3))
    if name in WITH_SCHEDULE:
        callbacks.append(ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1))
    model.fit(train_data, epochs=epochs, validation_data=val_data, callbacks=callbacks, verbose=2)
    probabilities = model.predict(test_data, verbose=2).ravel().astype(np.float64)
    return {
        "epoch_seconds": timer.seconds,
        "labels": test_data.classes.tolist(),
        "probabilities": probabilities.tolist(),
    }


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train, val and test, each by class")
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    measured = train(arguments.data, arguments.model, arguments.epochs, arguments.seed)
    arguments.out.write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
