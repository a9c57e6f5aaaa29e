"""A network of digits, and calls of predict.py with it."""

import keras
import numpy as np
import pandas as pd
from helpers import files_in

from models import create_model
from noisylabels.data import download
from noisylabels.training.export import save_inference_model
from utils import load_dataset


def save_network(folder, epochs):
    """Train a network on digits; return the path of its export, next to raw.keras as trained."""
    data, path = load_dataset("digits", None), folder / "incv_1.keras"
    keras.utils.set_random_seed(0)
    network = create_model("SmallCNN", (8, 8, 1), 10)
    if epochs:
        fitted = keras.Sequential([network])
        fitted.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        fitted.fit(data.x_train / np.float32(255), data.y_train, epochs=epochs, verbose=0)
    save_inference_model(network, path, data.classes, flip_tta=False)
    network.save(path.with_name("raw.keras"))
    return path


def calls_of_predict(call, path, folder, monkeypatch):
    """Return a function that calls predict.py in a new folder, with its result and CSV or None."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(download, "RETRIES", 0)  # each waits for seconds

    def run(*arguments, model=path):
        ended = call("predict", model, *arguments)
        written = files_in(".")
        assert set(written) <= {"predictions.csv", "data/.cifar10.lock"}
        if "predictions.csv" not in written:
            return ended, None
        return ended, pd.read_csv("predictions.csv", dtype={"label": str})

    return run
