"""Loads what verismo wrote in each format with that format's real reader, and compares it with the truth.

    python check.py FOLDER [--all]

FOLDER holds what make.py wrote, and in `out/FORMAT` (from coco) and `classes-out/FORMAT` (from class folders) what
`verismo convert` made of it; in `renderers` what renderers.py wrote, and in `renderers-out` what `convert` made of that.
Beside FOLDER lies a dataset that `verismo run` published. Prints a table; exits with 1 if a comparison fails. --all also runs the readers that
need PyTorch or OpenCV; readers that are not installed are named as skipped.
"""

import json
import os
import sys
import traceback
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("YOLO_OFFLINE", "1")

import numpy as np
from PIL import Image

FOLDER = Path(sys.argv[1]).resolve()
TRUTH = json.loads((FOLDER / "truth.json").read_text())
OUT, CLASSES_OUT = FOLDER / "out", FOLDER / "classes-out"
PUBLISHED = FOLDER.parent / "outputs/datasets/tiny/latest"
WIDTH, HEIGHT = TRUTH["width"], TRUTH["height"]
CHECKS = []


def check(format, reader, compared, heavy=False):
    def add(function):
        CHECKS.append((format, reader, compared, heavy, function))
        return function

    return add


def equal(got, expected, what):
    assert got == expected, f"{what}: {got!r} instead of {expected!r}"


def close(got, expected, what, slack=1e-3):
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    assert got.shape == expected.shape, f"{what}: {got.shape} instead of {expected.shape}"
    assert got.size == 0 or np.abs(got - expected).max() <= slack, f"{what}: {got} instead of {expected}"


def pictures(split=None):
    return [p for p in TRUTH["pictures"] if split in (None, p["split"])]


def mask_of(item):
    return np.array([[int(c) for c in row] for row in item["mask"]], np.uint8)


def same_mask(got, item, what):
    wrong = int((np.asarray(got).astype(bool) != mask_of(item).astype(bool)).sum())
    assert wrong == 0, f"{what}: {wrong} pixels differ"


def same_picture(got, split, name, base="coco"):
    original = FOLDER / base / split / name
    assert np.array_equal(np.asarray(Image.open(original)), np.asarray(got)), f"{name}: other pixels"


def fill(points):
    """The pixels whose middles lie inside a polygon, by the even-odd rule."""
    points = np.asarray(points, float).reshape(-1, 2)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = np.zeros((HEIGHT, WIDTH), bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, 0)):
        if (x0, y0) > (x1, y1):
            x0, y0, x1, y1 = x1, y1, x0, y0
        spans = (x0 <= columns) != (x1 <= columns)
        if x0 == x1:
            continue
        inside ^= spans & (rows > y0 + (columns - x0) / (x1 - x0) * (y1 - y0))
    return inside


# COCO


def compare_coco(folder):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    for split in ["train", "val"]:
        coco = COCO(folder / f"annotations/instances_{split}.json")
        names = [c["name"] for c in coco.loadCats(sorted(coco.getCatIds()))]
        equal(names, TRUTH["classes"], "classes")
        for category in coco.cats.values():
            equal(category["keypoints"], TRUTH["keypoints"], "keypoints")
            equal(category["skeleton"], [[1, 2], [2, 3]], "skeleton")
        images = {Path(i["file_name"]).name: i for i in coco.imgs.values()}
        equal(sorted(images), sorted(p["name"] for p in pictures(split)), "pictures")
        for picture in pictures(split):
            image = images[picture["name"]]
            equal((image["width"], image["height"]), (WIDTH, HEIGHT), "size")
            same_picture(Image.open(folder / image["file_name"]), split, picture["name"])
            found = coco.loadAnns(coco.getAnnIds([image["id"]]))
            equal(len(found), len(picture["objects"]), picture["name"])
            for item, annotation in zip(picture["objects"], found):
                equal(names[annotation["category_id"] - 1], item["class"], "class")
                close(annotation["bbox"], item["bbox"], "box")
                same_mask(coco.annToMask(annotation), item, picture["name"])
                equal(float(annotation["area"]), float(mask_of(item).sum()), "area")
                close(annotation["keypoints"], sum(item["keypoints"], []), "keypoints")
        found = [dict(a, score=1.0, segmentation=coco.annToRLE(a)) for a in coco.anns.values()]
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
        precision = evaluation.eval["precision"]
        precision = precision[..., -1]
        equal(float(precision[precision >= 0].min()), 1.0, "precision against itself")


@check("coco", "pycocotools", "masks, boxes, area, keypoints, skeleton, COCOeval")
def coco():
    compare_coco(OUT / "coco")


@check("coco-polygons", "pycocotools", "masks, boxes, area, keypoints, skeleton, COCOeval")
def coco_polygons():
    compare_coco(OUT / "coco-polygons")


# YOLO


def yolo_lines(format):
    import yaml

    folder = OUT / format
    data = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    equal([data["names"][i] for i in range(data["nc"])], TRUTH["classes"], "names")
    for picture in pictures():
        split, name = picture["split"], picture["name"]
        equal(data[split], f"images/{split}", "split")
        same_picture(Image.open(folder / "images" / split / name), split, name)
        label = folder / "labels" / split / (name.rsplit(".", 1)[0] + ".txt")
        lines = [line.split() for line in label.read_text().splitlines()]
        equal(len(lines), len(picture["objects"]), name)
        for item, (label, *numbers) in zip(picture["objects"], lines):
            equal(TRUTH["classes"][int(label)], item["class"], "class")
            numbers = np.array(numbers, float)
            assert ((0 <= numbers) & ((numbers <= 1) | (numbers == 2))).all(), name
            yield data, item, numbers


def yolo_box(numbers):
    x, y, w, h = numbers[:4] * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    return [x - w / 2, y - h / 2, w, h]


@check("yolo", "PyYAML, numpy", "names, boxes, empty pictures")
def yolo():
    for _, item, numbers in yolo_lines("yolo"):
        close(yolo_box(numbers), item["bbox"], "box", 1e-6)


@check("yolo-segment", "PyYAML, numpy", "masks (even-odd at pixel middles)")
def yolo_segment():
    for _, item, numbers in yolo_lines("yolo-segment"):
        same_mask(fill(numbers.reshape(-1, 2) * [WIDTH, HEIGHT]), item, "mask")


@check("yolo-pose", "PyYAML, numpy", "boxes, keypoints, kpt_shape, kpt_names")
def yolo_pose():
    for data, item, numbers in yolo_lines("yolo-pose"):
        equal(data["kpt_shape"], [3, 3], "kpt_shape")
        equal(data["kpt_names"][0], TRUTH["keypoints"], "kpt_names")
        close(yolo_box(numbers), item["bbox"], "box", 1e-6)
        points = numbers[4:].reshape(3, 3) * [WIDTH, HEIGHT, 1]
        close(points, item["keypoints"], "keypoints", 1e-6)


@check("yolo-obb", "PyYAML, numpy", "corners around each mask")
def yolo_obb():
    for _, item, numbers in yolo_lines("yolo-obb"):
        corners = numbers.reshape(4, 2) * [WIDTH, HEIGHT]
        rows, columns = np.nonzero(mask_of(item))
        for a, b in zip(corners, np.roll(corners, -1, 0)):
            side = (b - a)[0] * (rows + 0.5 - a[1]) - (b - a)[1] * (columns + 0.5 - a[0])
            assert (side > -1e-6).all(), "pixels outside the box"


def ultralytics_dataset(format, task):
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(OUT / format / "data.yaml"), autodownload=False)
    equal(list(data["names"].values()), TRUTH["classes"], "names")
    for split in ["train", "val"]:
        dataset = YOLODataset(img_path=data[split], data=data, task=task, augment=False)
        equal(len(dataset), len(pictures(split)), "pictures")
        by_name = {p["name"]: p for p in pictures(split)}
        for label in dataset.labels:
            picture = by_name[Path(label["im_file"]).name]
            expected = [(o["class"], *o["bbox"]) for o in picture["objects"]]
            # It leaves out equal lines; those of poses have keypoints, which differ.
            expected = set(expected) if task == "detect" else expected
            boxes = [yolo_box(np.asarray(b)) for b in label["bboxes"]]
            if task in ("detect", "pose"):
                close(sorted(boxes), sorted(list(o[1:]) for o in expected), "boxes", 1e-3)
            else:
                assert len(label["bboxes"]) >= min(1, len(expected)), "objects"


@check("yolo", "ultralytics", "its dataset check, boxes", heavy=True)
def ultralytics_detect():
    ultralytics_dataset("yolo", "detect")


@check("yolo-segment", "ultralytics", "its dataset check, number of objects", heavy=True)
def ultralytics_segment():
    ultralytics_dataset("yolo-segment", "segment")


@check("yolo-pose", "ultralytics", "its dataset check, boxes", heavy=True)
def ultralytics_pose():
    ultralytics_dataset("yolo-pose", "pose")


@check("yolo-obb", "ultralytics", "its dataset check, number of objects", heavy=True)
def ultralytics_obb():
    ultralytics_dataset("yolo-obb", "obb")


@check("yolo, -segment, -pose, -obb", "ultralytics", "an epoch of training", heavy=True)
def ultralytics_training():
    from ultralytics import YOLO

    for format, network in [("yolo", "11n"), ("yolo-segment", "11n-seg"), ("yolo-pose", "11n-pose"), ("yolo-obb", "11n-obb")]:
        # From a description of the network, so that no weights are fetched.
        trained = YOLO(f"yolo{network}.yaml").train(
            data=str(OUT / format / "data.yaml"), epochs=1, imgsz=64, batch=8, device="cpu", workers=0,
            plots=False, verbose=False, amp=False, project=str(FOLDER / "ultralytics"), name=format,
        )
        assert trained is not None, format


@check("yolo", "supervision", "classes, boxes", heavy=True)
def supervision_yolo():
    import supervision

    folder = OUT / "yolo"
    dataset = supervision.DetectionDataset.from_yolo(
        str(folder / "images/train"), str(folder / "labels/train"), str(folder / "data.yaml")
    )
    equal(dataset.classes, TRUTH["classes"], "classes")
    by_name = {p["name"]: p for p in pictures("train")}
    for path, _, found in dataset:
        boxes = [[x, y, r - x, b - y] for x, y, r, b in found.xyxy.tolist()]
        close(boxes, [o["bbox"] for o in by_name[Path(path).name]["objects"]] or np.zeros((0,)), "boxes", 0.01)


@check("coco", "supervision", "classes, boxes, masks", heavy=True)
def supervision_coco():
    import supervision

    folder = OUT / "coco"
    dataset = supervision.DetectionDataset.from_coco(
        str(folder), str(folder / "annotations/instances_train.json"), force_masks=True
    )
    equal(dataset.classes, TRUTH["classes"], "classes")
    by_name = {p["name"]: p for p in pictures("train")}
    for path, _, found in dataset:
        for item, mask in zip(by_name[Path(path).name]["objects"], found.mask if found.mask is not None else []):
            same_mask(mask, item, path)


# XML


@check("voc", "lxml", "names, boxes (from 1, last pixel included), splits")
def voc():
    from lxml import etree

    folder = OUT / "voc"
    for picture in pictures():
        stem = picture["name"].rsplit(".", 1)[0]
        names = (folder / "ImageSets/Main" / f"{picture['split']}.txt").read_text("utf-8").splitlines()
        assert stem in names, stem
        root = etree.parse(folder / "Annotations" / f"{stem}.xml").getroot()
        equal(root.findtext("filename"), picture["name"], "filename")
        same_picture(Image.open(folder / "JPEGImages" / picture["name"]), picture["split"], picture["name"])
        equal([int(root.findtext(f"size/{k}")) for k in ("width", "height")], [WIDTH, HEIGHT], "size")
        found = root.findall("object")
        equal(len(found), len(picture["objects"]), stem)
        for item, node in zip(picture["objects"], found):
            equal(node.findtext("name"), item["class"], "class")
            corners = [int(node.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax")]
            x, y, w, h = item["bbox"]
            equal(corners, [x + 1, y + 1, x + w, y + h], "box")


@check("cvat", "lxml", "labels, masks")
def cvat():
    from lxml import etree

    folder = OUT / "cvat"
    root = etree.parse(folder / "annotations.xml").getroot()
    equal([n.text for n in root.findall("meta/project/labels/label/name")], TRUTH["classes"], "labels")
    images = {(i.get("subset"), i.get("name")): i for i in root.findall("image")}
    equal(len(images), len(pictures()), "pictures")
    for picture in pictures():
        image = images[picture["split"], picture["name"]]
        same_picture(Image.open(folder / "images" / picture["split"] / picture["name"]), picture["split"], picture["name"])
        equal(len(image), len(picture["objects"]), picture["name"])
        for item, node in zip(picture["objects"], image):
            equal(node.get("label"), item["class"], "class")
            left, top, width, height = (int(node.get(k)) for k in ("left", "top", "width", "height"))
            flat, value = [], 0
            for run in map(int, node.get("rle").split(",")):
                flat += [value] * run
                value = 1 - value
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[top : top + height, left : left + width] = np.array(flat).reshape(height, width)
            same_mask(mask, item, picture["name"])


# Text and JSON


@check("kitti", "fields as its devkit reads them", "classes, boxes")
def kitti():
    from urllib.parse import unquote

    for picture in pictures():
        folder = OUT / "kitti" / picture["split"]
        same_picture(Image.open(folder / "image_2" / picture["name"]), picture["split"], picture["name"])
        lines = (folder / "label_2" / (picture["name"].rsplit(".", 1)[0] + ".txt")).read_text("utf-8").splitlines()
        equal(len(lines), len(picture["objects"]), picture["name"])
        for item, line in zip(picture["objects"], lines):
            fields = line.split(" ")
            equal(len(fields), 15, "fields")
            equal(unquote(fields[0]), item["class"], "class")
            left, top, right, bottom = map(float, fields[4:8])
            close([left, top, right - left, bottom - top], item["bbox"], "box")


@check("labelme", "json, numpy", "labels, masks (even-odd), keypoints by group")
def labelme():
    for picture in pictures():
        folder = OUT / "labelme" / picture["split"]
        file = json.loads((folder / (picture["name"].rsplit(".", 1)[0] + ".json")).read_text("utf-8"))
        equal((file["imageWidth"], file["imageHeight"]), (WIDTH, HEIGHT), "size")
        same_picture(Image.open(folder / file["imagePath"]), picture["split"], picture["name"])
        areas = [s for s in file["shapes"] if s["shape_type"] == "polygon"]
        equal(len(areas), len(picture["objects"]), picture["name"])
        for item, area in zip(picture["objects"], areas):
            equal(area["label"], item["class"], "class")
            same_mask(fill(area["points"]), item, picture["name"])
            points = [s for s in file["shapes"] if s["shape_type"] == "point" and s["group_id"] == area["group_id"]]
            equal([p["label"] for p in points], TRUTH["keypoints"], "keypoints")
            close([p["points"][0] for p in points], [k[:2] for k in item["keypoints"]], "keypoints")


@check("csv", "pandas", "rows, boxes, empty pictures")
def csv():
    import pandas

    table = pandas.read_csv(OUT / "csv/annotations.csv", dtype={"class": str})
    for picture in pictures():
        rows = table[table.file == f"images/{picture['split']}/{picture['name']}"]
        equal(set(rows.split), {picture["split"]}, "split")
        same_picture(Image.open(OUT / "csv" / rows.file.iloc[0]), picture["split"], picture["name"])
        if not picture["objects"]:
            assert len(rows) == 1 and rows.isna()["class"].all(), picture["name"]
            continue
        equal(list(rows["class"]), [o["class"] for o in picture["objects"]], "classes")
        boxes = np.stack([rows.xmin, rows.ymin, rows.xmax - rows.xmin, rows.ymax - rows.ymin], 1)
        close(boxes, [o["bbox"] for o in picture["objects"]], "boxes")


@check("bop", "json, Pillow as bop_toolkit reads them", "objects, boxes, masks")
def bop():
    names = json.loads((OUT / "bop/objects.json").read_text("utf-8"))
    for split in ["train", "val"]:
        scene = OUT / "bop" / split / "000000"
        gt, info = (json.loads((scene / f"scene_{n}.json").read_text()) for n in ("gt", "gt_info"))
        expected = pictures(split)
        equal(len(gt), len(expected), "pictures")
        for key, picture in zip(sorted(gt, key=int), expected):
            number = int(key)
            same_picture(Image.open(scene / f"rgb/{number:06}.png"), split, picture["name"])
            equal(len(gt[key]), len(picture["objects"]), picture["name"])
            for place, item in enumerate(picture["objects"]):
                equal(names[str(gt[key][place]["obj_id"])], item["class"], "class")
                close(info[key][place]["bbox_visib"], item["bbox"], "box")
                equal(info[key][place]["px_count_visib"], float(mask_of(item).sum()), "pixels")
                mask = np.asarray(Image.open(scene / f"mask_visib/{number:06}_{place:06}.png"))
                same_mask(mask > 0, item, picture["name"])


# Hugging Face and WebDataset


def compare_hub(dataset, split):
    expected = {p["name"]: p for p in pictures(split)}
    equal(len(dataset), len(expected), "pictures")
    return expected


@check("parquet", "datasets", "features, pictures, boxes, classes")
def parquet():
    from datasets import Image as ImageFeature, load_dataset

    loaded = load_dataset(str(OUT / "parquet"), cache_dir=str(FOLDER / "hub"))
    for split, theirs in [("train", "train"), ("val", "val")]:
        dataset = loaded[theirs]
        assert isinstance(dataset.features["image"], ImageFeature), dataset.features
        category = dataset.features["objects"]["category"]
        equal(category.feature.names, TRUTH["classes"], "names")
        raw = dataset.cast_column("image", ImageFeature(decode=False))
        expected = compare_hub(dataset, split)
        for row, undecoded in zip(dataset, raw):
            picture = expected[undecoded["image"]["path"]]
            same_picture(row["image"], split, picture["name"])
            names = [category.feature.int2str(i) for i in row["objects"]["category"]]
            equal(names, [o["class"] for o in picture["objects"]], "classes")
            close(np.array(row["objects"]["bbox"]).reshape(-1, 4), np.array([o["bbox"] for o in picture["objects"]]).reshape(-1, 4), "boxes")


@check("parquet", "datasets (from class folders)", "ClassLabel")
def parquet_classes():
    from datasets import ClassLabel, load_dataset

    loaded = load_dataset(str(CLASSES_OUT / "parquet"), cache_dir=str(FOLDER / "hub"))
    for split, theirs in [("train", "train"), ("val", "val")]:
        dataset = loaded[theirs]
        label = dataset.features["label"]
        assert isinstance(label, ClassLabel), label
        expected = sorted((p["class"], p["name"]) for p in TRUTH["folders"] if p["split"] == split)
        equal(sorted(label.int2str(row["label"]) for row in dataset), [c for c, _ in expected], "labels")
        equal(dataset[0]["objects"], None, "unknown objects")


def image_folder(folder):
    from datasets import load_dataset

    return load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(FOLDER / "hub"))


@check("huggingface", "datasets (imagefolder)", "pictures, boxes, classes, keypoints")
def huggingface():
    loaded = image_folder(OUT / "huggingface")
    for split, theirs in [("train", "train"), ("val", "validation")]:
        dataset = loaded[theirs]
        expected = {p["name"].rsplit(".", 1)[0]: p for p in compare_hub(dataset, split).values()}
        for row in dataset:
            picture = expected[row["id"]]
            same_picture(row["image"], split, picture["name"])
            objects = row["objects"]
            equal(objects["category"], [o["class"] for o in picture["objects"]], "classes")
            close(np.array(objects["bbox"]).reshape(-1, 4), np.array([o["bbox"] for o in picture["objects"]]).reshape(-1, 4), "boxes")
            for points, item in zip(objects["keypoints"], picture["objects"]):
                close(np.reshape(points, (-1, 3)), item["keypoints"], "keypoints")


@check("folders", "datasets (imagefolder)", "classes of pictures, splits")
def folders():
    loaded = image_folder(CLASSES_OUT / "folders")
    for split, theirs in [("train", "train"), ("val", "validation")]:
        label = loaded[theirs].features["label"]
        got = sorted(label.int2str(row["label"]) for row in loaded[theirs])
        equal(got, sorted(p["class"] for p in TRUTH["folders"] if p["split"] == split), "classes")


@check("manifest", "pandas", "files, boxes, classes")
def manifest():
    import pandas

    table = pandas.read_parquet(OUT / "manifest/manifest.parquet").set_index("file")
    for picture in pictures():
        row = table.loc[f"{picture['split']}/{picture['name']}"]
        same_picture(Image.open(OUT / "manifest" / row.name), picture["split"], picture["name"])
        equal(list(row.box_classes), [o["class"] for o in picture["objects"]], "classes")
        close(np.reshape(row.boxes, (-1, 4)), np.array([o["bbox"] for o in picture["objects"]]).reshape(-1, 4), "boxes")


@check("webdataset", "webdataset", "pictures, masks (pycocotools), keypoints")
def webdataset():
    import webdataset
    from pycocotools import mask as rle

    for split in ["train", "val"]:
        url = str(OUT / "webdataset" / f"{split}-000000.tar")
        dataset = webdataset.WebDataset(url, shardshuffle=False).decode("pil")
        expected = {p["name"]: p for p in pictures(split)}
        count = 0
        for sample in dataset:
            labels = sample["json"]
            picture = expected[labels["file"]]
            same_picture(sample["png"], split, picture["name"])
            equal(len(labels["objects"]), len(picture["objects"]), picture["name"])
            for item, found in zip(picture["objects"], labels["objects"]):
                equal(found["class"], item["class"], "class")
                close(found["bbox"], item["bbox"], "box")
                same_mask(rle.decode(found["segmentation"]), item, picture["name"])
                close([p["xyv"] for p in found["keypoints"]], item["keypoints"], "keypoints")
            count += 1
        equal(count, len(expected), "pictures")


@check("webdataset", "webdataset (from class folders)", "cls")
def webdataset_classes():
    import webdataset

    names = sorted({p["class"] for p in TRUTH["folders"]})
    url = str(CLASSES_OUT / "webdataset/train-000000.tar")
    dataset = webdataset.WebDataset(url, shardshuffle=False).decode("pil").to_tuple("png", "cls", "json")
    got = sorted(names[label] for _, label, _ in dataset)
    equal(got, sorted(p["class"] for p in TRUTH["folders"] if p["split"] == "train"), "classes")


def croissant_records(folder, unsaid=("citeAs", "datePublished", "license", "version")):
    """The records of each set by mlcroissant, which checks the hashes of the tables; no warning but of what is unsaid."""
    import logging

    import mlcroissant

    logging.disable(logging.WARNING)
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    warned = dataset.metadata.ctx.issues.warnings
    odd = [w for w in warned if not any(name in w for name in unsaid)]
    equal(odd, [], "warnings")

    def text(value):
        value = [text(v) for v in value] if isinstance(value, list) else value
        return value.decode() if isinstance(value, bytes) else value

    sets = {}
    for record_set in dataset.metadata.record_sets:
        records = [{k.split("/")[1]: text(v) for k, v in r.items()} for r in dataset.records(record_set.id)]
        sets[record_set.id] = records
    return sets


@check("croissant", "mlcroissant", "hashes, splits, classes, pictures, boxes, masks (even-odd), keypoints")
def croissant():
    sets = croissant_records(OUT / "croissant")
    equal([r["name"] for r in sets["splits"]], ["train", "val"], "splits")
    equal([r["name"] for r in sets["classes"]], TRUTH["classes"], "classes")
    equal(sets["classes"][0]["keypoints"], TRUTH["keypoints"], "keypoints")
    equal(sets["classes"][0]["skeleton"], [[0, 1], [1, 2]], "skeleton")
    images = {Path(r["file"]).name: r for r in sets["images"]}
    equal(sorted(images), sorted(p["name"] for p in pictures()), "pictures")
    for picture in pictures():
        image = images[picture["name"]]
        same_picture(image["image"], picture["split"], picture["name"])
        equal(image["split"], picture["split"], "split")
        equal((image["width"], image["height"], image["objects"]), (WIDTH, HEIGHT, len(picture["objects"])), "size")
        found = [r for r in sets["objects"] if r["file"] == image["file"]]
        equal(len(found), len(picture["objects"]), picture["name"])
        for item, record in zip(picture["objects"], found):
            equal(record["class"], item["class"], "class")
            close(record["bbox"], item["bbox"], "box")
            same_mask(fill([float(v) for v in record["mask"].split()]), item, picture["name"])
            equal(record["keypoint_names"], TRUTH["keypoints"], "keypoints")
            close(record["keypoints"], sum(item["keypoints"], []), "keypoints")


@check("croissant", "mlcroissant (from class folders)", "classes of pictures")
def croissant_classes():
    sets = croissant_records(CLASSES_OUT / "croissant")
    got = sorted((r["split"], r["class"]) for r in sets["images"])
    equal(got, sorted((p["split"], p["class"]) for p in TRUTH["folders"]), "classes")
    equal(sets["objects"], [], "objects")


@check("croissant", "mlcroissant (as published by emit)", "no warning, pictures as JPEG, splits, classes")
def croissant_published():
    sets = croissant_records(PUBLISHED.resolve(), unsaid=())
    classes = {r["name"] for r in sets["classes"]}
    equal(len(sets["images"]), 24, "pictures")
    for record in sets["images"]:
        equal(record["image"].size, (48, 48), "size")
        assert record["class"] in classes and record["file"].endswith(".jpg"), record
    equal(len(sets["objects"]), sum(r["objects"] for r in sets["images"]), "objects")


@check("huggingface", "datasets (as published by emit)", "splits and labels as the card says")
def huggingface_published():
    from datasets import load_dataset

    loaded = load_dataset(str(PUBLISHED.resolve()), cache_dir=str(FOLDER / "hub"))
    equal(sum(len(split) for split in loaded.values()), 24, "pictures")
    equal(sorted(loaded), ["train", "validation"], "splits")
    for row in loaded["train"]:
        equal((row["image"].size, row["image"].format), ((48, 48), "JPEG"), "picture")
        assert row["label"] in row["objects"]["category"], row


# What other renderers write, converted to COCO


def from_renderer(name):
    from pycocotools.coco import COCO

    truth = json.loads((FOLDER / "renderers/truth.json").read_text())
    folder = FOLDER / "renderers-out" / name
    coco = COCO(folder / "annotations/instances_train.json")
    names = {c["id"]: c["name"] for c in coco.cats.values()}
    images = [coco.imgs[i] for i in sorted(coco.imgs)]
    equal(len(images), len(truth["frames"]), "pictures")
    for image, frame in zip(images, truth["frames"]):
        pixels = np.asarray(Image.open(folder / image["file_name"]).convert("RGB"))
        equal(int(pixels.sum()), frame["sum"], "pixels")
        found = coco.loadAnns(coco.getAnnIds([image["id"]]))
        equal([names[a["category_id"]] for a in found], [o["class"] for o in frame["objects"]], "classes")
        for annotation, item in zip(found, frame["objects"]):
            close(annotation["bbox"], item["bbox"], "box")
            same_mask(coco.annToMask(annotation), item, name)


@check("replicator", "files as BasicWriter names them, to pycocotools", "pictures, classes, boxes, masks")
def replicator():
    from_renderer("replicator")


@check("solo", "files as Perception names them, to pycocotools", "pictures, classes, boxes, masks")
def solo():
    from_renderer("solo")


@check("blenderproc", "written by h5py, to pycocotools", "pictures, classes, boxes, masks")
def blenderproc():
    from_renderer("blenderproc")


# What pulls in PyTorch


@check("folders", "torchvision ImageFolder", "classes of pictures", heavy=True)
def torchvision_folders():
    from torchvision.datasets import ImageFolder

    for split in ["train", "val"]:
        dataset = ImageFolder(str(CLASSES_OUT / "folders" / split))
        got = sorted(dataset.classes[label] for _, label in dataset)
        equal(got, sorted(p["class"] for p in TRUTH["folders"] if p["split"] == split), "classes")


@check("coco", "torchvision CocoDetection", "boxes", heavy=True)
def torchvision_coco():
    from torchvision.datasets import CocoDetection

    dataset = CocoDetection(str(OUT / "coco"), str(OUT / "coco/annotations/instances_train.json"))
    for (picture, found), expected in zip(dataset, pictures("train")):
        same_picture(picture, "train", expected["name"])
        equal([a["bbox"] for a in found], [[float(v) for v in o["bbox"]] for o in expected["objects"]], "boxes")


@check("voc, cvat", "datumaro", "numbers of pictures and objects", heavy=True)
def datumaro():
    from datumaro import Dataset

    objects = sum(len(p["objects"]) for p in TRUTH["pictures"])
    for format in ["voc", "cvat"]:
        dataset = Dataset.import_from(str(OUT / format), format)
        equal(len(dataset), len(pictures()), format)
        found = sum(1 for item in dataset for a in item.annotations if a.type.name in ("bbox", "mask", "polygon"))
        assert found >= objects, f"{format}: {found} of {objects} objects"


def main():
    failed = 0
    rows = [("format", "reader", "compared", "")]
    for format, reader, compared, heavy, function in CHECKS:
        if heavy and "--all" not in sys.argv:
            continue
        try:
            function()
            result = "equal"
        except ImportError as error:
            result = f"skipped: {error}"
        except Exception as error:
            failed += 1
            traceback.print_exc()
            result = f"FAILED: {type(error).__name__}: {str(error)[:200]}"
        rows.append((format, reader, compared, result))
    print()
    for row in rows:
        print("| " + " | ".join(row) + " |")
        if row is rows[0]:
            print("|---" * len(row) + "|")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
