"""Writes Fashion-MNIST as pictures in a folder for each class, for benches/generators.toml and benches/transfer.toml.

    apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb fashion
    python benches/generators.py fashion/usr/share/datasets/fashion-mnist data/fashion 600

The folder is that of Debian's package `dataset-fashion-mnist` (MIT licence); the last number says how many training
pictures of each class are written, and a fifth as many test pictures. The training pictures are also written as one
class, `one/clothes`. Needs numpy and Pillow.
"""

import gzip
import pathlib
import sys

import numpy
from PIL import Image

CLASSES = [
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle-boot",
]


def read(path, offset):
    opened = gzip.open(path) if path.suffix == ".gz" else open(path, "rb")
    with opened as file:
        return numpy.frombuffer(file.read(), numpy.uint8, offset=offset)


def find(folder, name):
    found = sorted(folder.rglob(name + "*"))
    if not found:
        sys.exit(f"{folder} has no {name}: give the folder of Debian's package dataset-fashion-mnist")
    return found[0]


def main(source, target, count):
    for split, prefix, most in [("train", "train", count), ("test", "t10k", max(1, count // 5))]:
        pictures = read(find(source, prefix + "-images-idx3-ubyte"), 16).reshape(-1, 28, 28)
        labels = read(find(source, prefix + "-labels-idx1-ubyte"), 8)
        for number, name in enumerate(CLASSES):
            for place, picture in enumerate(pictures[labels == number][:most]):
                files = [target / split / name / f"{place:05}.png"]
                if split == "train":
                    files.append(target / "one" / "clothes" / f"{name}-{place:05}.png")
                for file in files:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(picture).save(file)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]))
