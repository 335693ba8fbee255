"""The notebook that this project grew from, on CPU: ResNet50 without its top, frozen, and a new layer of two classes.

Runs in an environment with TensorFlow, which this project does not install. Images are read from `FOLDER/train` and
`FOLDER/validation`, a folder a class. Prints the seconds of training and the best validation accuracy as JSON.

    ENVIRONMENT/bin/python keras_notebook.py FOLDER SIZE EPOCHS
"""

import json
import sys
import time

from tensorflow import keras


def main(folder: str, size: int, epochs: int) -> None:
    """Train and print."""
    keras.utils.set_random_seed(0)
    preprocess = keras.applications.resnet50.preprocess_input
    generator = keras.preprocessing.image.ImageDataGenerator
    shape = {"target_size": (size, size), "batch_size": 32, "class_mode": "categorical"}
    varied = generator(preprocessing_function=preprocess, shear_range=0.2, zoom_range=0.2)
    train = varied.flow_from_directory(f"{folder}/train", seed=0, **shape)
    validation = generator(preprocessing_function=preprocess).flow_from_directory(
        f"{folder}/validation", shuffle=False, **shape
    )
    base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg")
    base.trainable = False
    model = keras.Sequential([base, keras.layers.Dense(2, activation="softmax")])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    fitted = model.fit(train, validation_data=validation, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "accuracy": max(fitted.history["val_accuracy"])}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
