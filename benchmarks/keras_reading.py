"""Reading with the compact network in Keras, by ``model.predict``: PLAN.json in, durations out.

It needs tensorflow-cpu and nothing of pneumoscope; weights are random, which takes the same time.
"""

import io
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image


def network(size):
    """Build the network of `pneumoscope.models.compact` layer by layer."""
    from tensorflow.keras import Input, Model, layers

    def convolution(x, channels, side, stride, act=True):
        x = layers.Conv2D(channels, side, stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if act else x

    images = Input((size, size, 1))
    x = layers.LayerNormalization(axis=(1, 2), center=False, scale=False, epsilon=1e-6)(images)
    x = convolution(x, 32, 3, 2)
    for channels, stride in ((48, 2), (96, 2), (192, 2), (192, 1)):
        inner = convolution(convolution(x, channels, 3, stride), channels, 3, 1, act=False)
        same = stride == 1 and x.shape[-1] == channels
        shortcut = x if same else convolution(x, channels, 1, stride, act=False)
        x = layers.ReLU()(layers.Add()([inner, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return Model(images, layers.Dense(1, activation="sigmoid")(x))


def decode(content, size):
    """Decode the same way as Keras' ``load_img``."""
    with Image.open(io.BytesIO(content)) as image:
        square = image.convert("L").resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(square, np.float32)[..., None] / 255


def main():
    """Carry out the plan, and write the durations as JSON."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    model, size = network(plan["size"]), plan["size"]

    def read(content):
        return float(model.predict(decode(content, size)[None], verbose=0)[0, 0])

    contents = [Path(path).read_bytes() for path in plan["single"]]
    read(contents[0])
    if plan["cold"]:
        return
    single = []
    for content in contents * plan["repeats"]:
        started = time.perf_counter()
        read(content)
        single.append(time.perf_counter() - started)

    def batches():
        for start in range(0, len(plan["folder"]), 32):
            paths = plan["folder"][start : start + 32]
            yield np.stack([decode(Path(path).read_bytes(), size) for path in paths])

    started = time.perf_counter()
    n = sum(len(model.predict_on_batch(batch)) for batch in batches())
    seconds = time.perf_counter() - started
    assert n == len(plan["folder"])
    Path(plan["out"]).write_text(json.dumps({"single": single, "folder": seconds}))


if __name__ == "__main__":
    main()
