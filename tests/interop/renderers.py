"""Writes frames as other renderers do, without them and without verismo, and what is right about them.

    python renderers.py FOLDER

writes FOLDER/replicator (BasicWriter of Isaac Sim), FOLDER/solo (Unity Perception), FOLDER/blenderproc (HDF5, by h5py)
and FOLDER/truth.json. `tests/renderers` holds its output; verismo's own tests read it.
"""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 16, 12
FOCAL = 20.0


def frames():
    """Pictures, instances by pixel (0: nothing), classes by instance, depths along the axis in metres."""
    for number in range(2):
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        instances = np.zeros((HEIGHT, WIDTH), np.int64)
        instances[2:7, 1 + number : 8] = 1
        instances[5:11, 5:12] = 2
        instances[0:2, 13:16] = 3
        picture = np.stack([columns * 15, rows * 20, instances * 60 + number], -1).astype(np.uint8)
        depth = np.where(instances > 0, 0.5 + 0.01 * columns + 0.002 * rows, 0).astype(np.float32)
        yield number, picture, instances, {1: "cube", 2: "sphere", 3: "cube"}, depth


def box(mask):
    rows, columns = np.nonzero(mask)
    x, y = int(columns.min()), int(rows.min())
    return [x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y]


def colour(instance):
    return [25 + 70 * instance, 200 - 50 * instance, 40, 255]


def coloured(instances, nothing):
    picture = np.zeros((*instances.shape, 4), np.uint8)
    picture[:] = nothing
    for instance in np.unique(instances[instances > 0]):
        picture[instances == instance] = colour(int(instance))
    return Image.fromarray(picture)


def dump(path, value):
    path.write_text(json.dumps(value))


def replicator(folder):
    folder.mkdir(parents=True)
    names = ["semanticId", "x_min", "y_min", "x_max", "y_max", "occlusionRatio"]
    record = np.dtype(list(zip(names, ["<u4", "<i4", "<i4", "<i4", "<i4", "<f4"])))
    for number, picture, instances, classes, depth in frames():
        end = f"{number:04}"
        Image.fromarray(picture).convert("RGBA").save(folder / f"rgb_{end}.png")
        ids = {"cube": 0, "sphere": 1}
        rows = []
        for instance, name in classes.items():
            x, y, w, h = box(instances == instance)
            hidden = 0.25 if instance == 1 else 0.0
            rows.append((ids[name], x, y, x + w - 1, y + h - 1, hidden))
        tight = "bounding_box_2d_tight"
        np.save(folder / f"{tight}_{end}.npy", np.array(rows, record))
        dump(folder / f"{tight}_labels_{end}.json", {str(i): {"class": n} for n, i in ids.items()})
        dump(folder / f"{tight}_prim_paths_{end}.json", [f"/World/{n}_{i}" for i, n in classes.items()])
        coloured(instances, (0, 0, 0, 0)).save(folder / f"instance_segmentation_{end}.png")
        key = {i: str(tuple(colour(i))) for i in classes}
        mapping = {"(0, 0, 0, 0)": "BACKGROUND", **{key[i]: f"/World/{n}_{i}" for i, n in classes.items()}}
        dump(folder / f"instance_segmentation_mapping_{end}.json", mapping)
        semantics = {"(0, 0, 0, 0)": {"class": "BACKGROUND"}, **{key[i]: {"class": n} for i, n in classes.items()}}
        dump(folder / f"instance_segmentation_semantics_mapping_{end}.json", semantics)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        x, y = (columns + 0.5 - WIDTH / 2) / FOCAL, (rows + 0.5 - HEIGHT / 2) / FOCAL
        distance = np.where(depth > 0, depth * np.sqrt(1 + x * x + y * y), np.inf)
        # In centimetres.
        np.save(folder / f"distance_to_camera_{end}.npy", (distance * 100).astype(np.float32))
        projection = np.zeros(16)
        projection[0], projection[5], projection[11] = 2 * FOCAL / WIDTH, 2 * FOCAL / HEIGHT, -1
        view = {
            "cameraModel": "pinhole",
            "cameraProjection": projection.tolist(),
            "metersPerSceneUnit": 0.01,
            "renderProductResolution": [WIDTH, HEIGHT],
        }
        dump(folder / f"camera_params_{end}.json", view)


def solo(folder):
    kind = "type.unity.com/unity.solo."
    for number, picture, instances, classes, _ in frames():
        sequence = folder / f"sequence.{number}"
        sequence.mkdir(parents=True)
        Image.fromarray(picture).save(sequence / "step0.camera.png")
        name = "step0.camera.instance segmentation.png"
        coloured(instances, (0, 0, 0, 255)).save(sequence / name)
        labels = {"cube": 1, "sphere": 2}
        boxes, coloured_instances, points = [], [], []
        for instance, label in classes.items():
            x, y, w, h = box(instances == instance)
            about = {"instanceId": instance, "labelId": labels[label], "labelName": label}
            boxes.append({**about, "origin": [float(x), float(y)], "dimension": [float(w), float(h)]})
            coloured_instances.append({**about, "color": colour(instance)})
            keypoints = [
                {"index": 0, "location": [x + 0.5, y + 0.5], "cameraCartesianLocation": [0, 0, 1], "state": 2},
                {"index": 1, "location": [0.0, 0.0], "cameraCartesianLocation": [0, 0, 0], "state": 0},
            ]
            points.append({"instanceId": instance, "labelId": labels[label], "pose": "unset", "keypoints": keypoints})
        shared = {"sensorId": "camera", "description": ""}
        capture = {
            "@type": kind + "RGBCamera",
            "id": "camera",
            "filename": "step0.camera.png",
            "imageFormat": "Png",
            "dimension": [float(WIDTH), float(HEIGHT)],
            "projection": "Perspective",
            "matrix": [2 * FOCAL / WIDTH, 0, 0, 0, 2 * FOCAL / HEIGHT, 0, 0, 0, -1],
            "annotations": [
                {"@type": kind + "BoundingBox2DAnnotation", "id": "bounding box", **shared, "values": boxes},
                {
                    "@type": kind + "InstanceSegmentationAnnotation",
                    "id": "instance segmentation",
                    **shared,
                    "imageFormat": "Png",
                    "dimension": [float(WIDTH), float(HEIGHT)],
                    "filename": name,
                    "instances": coloured_instances,
                },
                {"@type": kind + "KeypointAnnotation", "id": "keypoints", **shared, "templateId": "t", "values": points},
            ],
        }
        frame = {"frame": number, "sequence": number, "step": 0, "timestamp": 0.0, "captures": [capture], "metrics": []}
        dump(sequence / "step0.frame_data.json", frame)
    dump(folder / "metadata.json", {"unityVersion": "2021.3.11f1", "totalFrames": 2, "totalSequences": 2})
    spec = [{"label_id": 1, "label_name": "cube"}, {"label_id": 2, "label_name": "sphere"}]
    template = {"templateId": "t", "keypoints": [{"label": "corner", "index": 0}, {"label": "tip", "index": 1}], "skeleton": []}
    definitions = [
        {"@type": kind + "BoundingBox2DAnnotation", "id": "bounding box", "spec": spec},
        {"@type": kind + "KeypointAnnotation", "id": "keypoints", "template": template},
    ]
    dump(folder / "annotation_definitions.json", {"annotationDefinitions": definitions})


def blenderproc(folder):
    folder.mkdir(parents=True)
    for number, picture, instances, classes, depth in frames():
        with h5py.File(folder / f"{number}.hdf5", "w") as file:
            far = np.where(depth > 0, depth, np.float32(1e10))
            for name, data in [("colors", picture), ("depth", far), ("instance_segmaps", instances)]:
                file.create_dataset(name, data=data, compression="gzip")
            attributes = [{"idx": 0, "category_id": 0, "name": "background"}]
            attributes += [{"idx": i, "name": f"{n}.00{i}"} for i, n in classes.items()]
            file.create_dataset("instance_attribute_maps", data=np.bytes_(json.dumps(attributes)))
            file.create_dataset("blender_proc_version", data=np.bytes_("2.8.0"))


def main(folder):
    replicator(folder / "replicator")
    solo(folder / "solo")
    blenderproc(folder / "blenderproc")
    truth = []
    for number, picture, instances, classes, depth in frames():
        masks = {i: (instances == i) for i in classes}
        objects = [
            {"class": n, "bbox": box(masks[i]), "mask": ["".join(map(str, row)) for row in masks[i].astype(int).tolist()]}
            for i, n in classes.items()
        ]
        truth.append({"objects": objects, "sum": int(picture.sum()), "depth": [round(float(d), 6) for d in depth.flat]})
    dump(folder / "truth.json", {"width": WIDTH, "height": HEIGHT, "focal": FOCAL, "frames": truth})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
