"""Reading with a bundle's network in Keras, by ``model.predict``: PLAN.json in, durations out.

It needs tensorflow-cpu and nothing of pneumoscope; weights are random, which takes the same time.
"""

import io
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image


def compact(plan):
    """Build the network of `pneumoscope.models.compact` layer by layer."""
    from tensorflow.keras import Input, layers

    def convolution(x, channels, side, stride, act=True):
        x = layers.Conv2D(channels, side, stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if act else x

    images = Input((plan["size"], plan["size"], 1))
    x = layers.LayerNormalization(axis=(1, 2), center=False, scale=False, epsilon=1e-6)(images)
    x = convolution(x, 32, 3, 2)
    for channels, stride in ((48, 2), (96, 2), (192, 2), (192, 1)):
        inner = convolution(convolution(x, channels, 3, stride), channels, 3, 1, act=False)
        same = stride == 1 and x.shape[-1] == channels
        shortcut = x if same else convolution(x, channels, 1, stride, act=False)
        x = layers.ReLU()(layers.Add()([inner, shortcut]))
    return with_output(images, x)


def efficientnet_lite0(plan):
    """Build the network of `pneumoscope.models.efficientnet_lite` layer by layer."""
    from tensorflow.keras import Input, layers

    def normalise(x, act=True):
        x = layers.BatchNormalization()(x)
        return layers.ReLU(6)(x) if act else x

    def convolution(x, channels, side=1, stride=1, act=True):
        x = layers.Conv2D(channels, side, stride, padding="same", use_bias=False)(x)
        return normalise(x, act)

    images = Input((plan["size"], plan["size"], 1))
    x = convolution(layers.Rescaling(2, -1)(images), 32, 3, 2)
    for side, blocks, channels, first_stride, expansion in plan["lite0_stages"]:
        for block in range(blocks):
            stride = 1 if block else first_stride
            inner = convolution(x, expansion * x.shape[-1]) if expansion > 1 else x
            inner = layers.DepthwiseConv2D(side, stride, padding="same", use_bias=False)(inner)
            inner = convolution(normalise(inner), channels, act=False)
            same = stride == 1 and x.shape[-1] == channels
            x = layers.Add()([inner, x]) if same else inner
    return with_output(images, convolution(x, 1280))


def with_output(images, features):
    """Return the model that pools features and gives a probability."""
    from tensorflow.keras import Model, layers

    pooled = layers.GlobalAveragePooling2D()(features)
    return Model(images, layers.Dense(1, activation="sigmoid")(pooled))


NETWORKS = {"compact": compact, "efficientnet_lite0": efficientnet_lite0}


def decode(content, size):
    """Decode the same way as Keras' ``load_img``."""
    with Image.open(io.BytesIO(content)) as image:
        square = image.convert("L").resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(square, np.float32)[..., None] / 255


def main():
    """Carry out the plan, and write the durations as JSON."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    model, size = NETWORKS[plan["model"]](plan), plan["size"]

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
