"""Makes labelled pictures without verismo: a COCO dataset, class folders, and what is right about them.

    python make.py FOLDER

writes FOLDER/coco (masks of several parts and with holes, keypoints, an empty picture, odd names), FOLDER/classes
(class folders) and FOLDER/truth.json, which check.py compares everything with.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as rle

WIDTH, HEIGHT = 46, 34
CLASSES = ["a b", "vélo", "07", "<&> it's"]
KEYPOINTS = ["nose", "left eye", "tail"]
NAMES = ["plain", "with space", "ünïcode", "dots.in.it", "(1)", "UPPER"]


def blob(rng):
    """A mask: a rectangle or ellipse, perhaps with a hole, a second part, or of one pixel."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    kind = rng.randrange(5)
    x, y = rng.randrange(WIDTH - 14), rng.randrange(HEIGHT - 12)
    if kind == 0:
        mask[y, x] = 1
    elif kind == 1:
        mask[y : y + 12, x : x + 14] = 1
        mask[y + 3 : y + 7, x + 4 : x + 9] = 0
    elif kind == 2:
        mask[0:5, 0:7] = 1
        mask[y + 6 : y + 11, x + 8 : x + 13] = 1
    elif kind == 3:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        mask[((columns - x - 7) / 7.3) ** 2 + ((rows - y - 6) / 5.6) ** 2 < 1] = 1
    else:
        mask[HEIGHT - 6 :, WIDTH - 9 :] = 1
        mask[HEIGHT - 6, WIDTH - 9] = 0
    return mask


def tight(mask):
    rows, columns = np.nonzero(mask)
    x, y = int(columns.min()), int(rows.min())
    return [x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y]


def picture(rng):
    patches = np.array([rng.randrange(256) for _ in range(6 * 5 * 3)], np.uint8).reshape(5, 6, 3)
    return Image.fromarray(patches).resize((WIDTH, HEIGHT), Image.NEAREST)


def main(folder):
    rng = random.Random(7)
    truth = {"width": WIDTH, "height": HEIGHT, "classes": CLASSES, "keypoints": KEYPOINTS}
    truth["pictures"], truth["folders"] = [], []
    (folder / "coco/annotations").mkdir(parents=True)
    number = 0
    for split, count in [("train", 24), ("val", 8)]:
        (folder / "coco" / split).mkdir()
        coco = {"images": [], "annotations": [], "categories": []}
        for id, name in enumerate(CLASSES, 1):
            coco["categories"].append(
                {"id": id, "name": name, "keypoints": KEYPOINTS, "skeleton": [[1, 2], [2, 3]]}
            )
        for place in range(count):
            name = f"{number:03} {NAMES[place % len(NAMES)]}.png"
            picture(rng).save(folder / "coco" / split / name)
            coco["images"].append(
                {"id": number + 1, "file_name": name, "width": WIDTH, "height": HEIGHT}
            )
            objects = []
            for _ in range(0 if place % 7 == 3 else rng.randrange(1, 4)):
                mask, label = blob(rng), rng.randrange(len(CLASSES))
                points = [
                    [rng.randrange(WIDTH * 4) / 4, rng.randrange(HEIGHT * 4) / 4, rng.choice([1, 2])]
                    for _ in KEYPOINTS
                ]
                encoded = rle.encode(np.asfortranarray(mask))
                objects.append(
                    {
                        "class": CLASSES[label],
                        "bbox": tight(mask),
                        "mask": ["".join(map(str, row)) for row in mask.tolist()],
                        "keypoints": points,
                    }
                )
                coco["annotations"].append(
                    {
                        "id": len(coco["annotations"]) + 1,
                        "image_id": number + 1,
                        "category_id": label + 1,
                        "bbox": tight(mask),
                        "area": int(mask.sum()),
                        "iscrowd": 0,
                        "segmentation": {
                            "counts": encoded["counts"].decode(),
                            "size": [HEIGHT, WIDTH],
                        },
                        "keypoints": sum(points, []),
                        "num_keypoints": len(points),
                    }
                )
            truth["pictures"].append({"name": name, "split": split, "objects": objects})
            number += 1
        file = folder / "coco/annotations" / f"instances_{split}.json"
        file.write_text(json.dumps(coco))
    for place in range(18):
        split = "val" if place % 3 == 0 else "train"
        label = ["a b", "07", "vélo"][place // 3 % 3]
        name = f"{place:03}.png"
        (folder / "classes" / split / label).mkdir(parents=True, exist_ok=True)
        picture(rng).save(folder / "classes" / split / label / name)
        truth["folders"].append({"name": name, "split": split, "class": label})
    (folder / "truth.json").write_text(json.dumps(truth))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
