"""Renders coloured boxes without verismo, as the COCO and BOP writers of BlenderProc lay out their files.

    python make_coco.py FOLDER COUNT [--size WIDTH HEIGHT] [--seed SEED]

writes FOLDER/coco (coco_annotations.json, images/000000.png, ...) and FOLDER/bop (camera.json and the scene
train_pbr/000000), both of the same COUNT pictures. Masks and depths are exact at the middle of each pixel. Needs
numpy and Pillow; the same arguments give the same files.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

# Width, height and depth in metres, and the colours of the faces across each of these axes.
CLASSES = {
    "cube": ((0.04, 0.04, 0.04), ((200, 60, 50), (220, 170, 50), (90, 40, 130))),
    "bar": ((0.09, 0.02, 0.02), ((60, 130, 200), (230, 230, 220), (40, 60, 90))),
    "plate": ((0.06, 0.05, 0.012), ((70, 160, 80), (30, 90, 60), (200, 210, 120))),
}
DEPTH_SCALE = 0.1  # millimetres a step of the depth pictures
LIGHT = np.array([0.4, -0.7, -0.6])


def rotation(rng):
    """Any rotation, all alike likely."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])


def trace(sides, turn, shift, rays):
    """Depths in metres, infinite beside the box, and the axis that the face hit lies across."""
    origin, ways = -turn.T @ shift, rays @ turn
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(sign * np.array(sides) / 2 - origin) / ways for sign in (-1, 1)])
    near, far = ends.min(axis=0), ends.max(axis=0)
    hit = (near.max(axis=-1) <= far.min(axis=-1)) & (near.max(axis=-1) > 0)
    # Rays are one metre deep, so that their lengths are depths.
    return np.where(hit, near.max(axis=-1), np.inf), near.argmax(axis=-1)


def picture(rng, width, height):
    """A picture of one to three boxes: colours, depths, intrinsics, and all that is known of each box."""
    focal = 1.6 * max(width, height)
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([(x - width / 2) / focal, (y - height / 2) / focal, np.ones_like(x)], axis=-1)
    ground = rng.uniform(60, 200, size=(2, 3))
    colours = ground[0] + (ground[1] - ground[0]) * (y / height)[..., None]
    depths, owner, boxes = np.full((height, width), np.inf), np.full((height, width), -1), []
    for number in range(rng.integers(1, 4)):
        name = rng.choice(list(CLASSES))
        sides, paints = CLASSES[name]
        turn = rotation(rng)
        deep = rng.uniform(0.2, 0.35)
        # Middles lie in the picture, so that some boxes are cut off.
        shift = np.array([*(rng.uniform(-0.26, 0.26, size=2) * np.array([width, height]) / focal), 1]) * deep
        alone, axis = trace(sides, turn, shift, rays)
        normals = turn.T[axis] * -np.sign((turn.T[axis] * rays).sum(axis=-1, keepdims=True))
        shade = 0.45 + 0.55 * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
        seen = alone < depths
        colours[seen] = (np.array(paints)[axis] * shade[..., None])[seen]
        depths[seen], owner[seen] = alone[seen], number
        boxes.append({"class": name, "turn": turn, "shift": shift, "whole": np.isfinite(alone)})
    for number, box in enumerate(boxes):
        box["visible"] = owner == number
    noise = rng.normal(0, 3, size=colours.shape)
    return np.clip(colours + noise, 0, 255).astype(np.uint8), depths, camera, boxes


def box_of(mask):
    """x, y, width and height of the tight box in whole pixels; -1 without any pixel, as BOP has it."""
    if not mask.any():
        return [-1, -1, -1, -1]
    (y,), (x,) = (np.nonzero(mask.any(axis=axis)) for axis in (1, 0))
    return [int(v) for v in (x[0], y[0], x[-1] - x[0] + 1, y[-1] - y[0] + 1)]


def runs(mask):
    """COCO's run lengths: down the columns, unset pixels first."""
    flat = np.concatenate([[0], mask.flatten(order="F").astype(np.int8)])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def compressed(counts):
    """Run lengths as COCO's string: each from the third on less the one before last, in chunks of five bits."""
    text = ""
    for place, count in enumerate(counts):
        value = count - (counts[place - 2] if place > 2 else 0)
        while True:
            chunk, value = value & 31, value >> 5
            more = value != (-1 if chunk & 16 else 0)
            text += chr(chunk + 32 * more + 48)
            if not more:
                break
    return text


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--size", type=int, nargs=2, default=[96, 72], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    (width, height), rng = options.size, np.random.default_rng(options.seed)
    coco, bop = options.folder / "coco", options.folder / "bop"
    scene = bop / "train_pbr" / "000000"
    for folder in [coco / "images", *(scene / name for name in ("rgb", "depth", "mask", "mask_visib"))]:
        folder.mkdir(parents=True, exist_ok=True)
    names = list(CLASSES)
    images, annotations, poses, info, cameras = [], [], {}, {}, {}
    for number in range(options.count):
        colours, depths, camera, boxes = picture(rng, width, height)
        file = f"{number:06}.png"
        for folder in (coco / "images", scene / "rgb"):
            Image.fromarray(colours).save(folder / file)
        steps = np.where(np.isfinite(depths), depths * 1000 / DEPTH_SCALE, 0).round().astype(np.uint16)
        Image.fromarray(steps).save(scene / "depth" / file)
        images.append({
            "id": number, "file_name": f"images/{file}", "width": width, "height": height,
            "date_captured": "2026-01-01 00:00:00", "license": 1, "coco_url": "", "flickr_url": "",
        })
        poses[str(number)], info[str(number)] = [], []
        cameras[str(number)] = {"cam_K": camera.flatten().tolist(), "depth_scale": DEPTH_SCALE}
        for place, box in enumerate(boxes):
            visible, whole, category = box["visible"], box["whole"], names.index(box["class"]) + 1
            for folder, mask in (("mask", whole), ("mask_visib", visible)):
                Image.fromarray(mask.astype(np.uint8) * 255).save(scene / folder / f"{number:06}_{place:06}.png")
            poses[str(number)].append({
                "cam_R_m2c": box["turn"].flatten().tolist(),
                "cam_t_m2c": (box["shift"] * 1000).tolist(),
                "obj_id": category,
            })
            info[str(number)].append({
                "bbox_obj": box_of(whole), "bbox_visib": box_of(visible),
                "px_count_all": int(whole.sum()), "px_count_valid": int(whole.sum()),
                "px_count_visib": int(visible.sum()),
                "visib_fract": float(visible.sum() / max(whole.sum(), 1)),
            })
            if not visible.any():
                continue
            counts = runs(visible)
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": category, "iscrowd": 0,
                "area": int(visible.sum()), "bbox": box_of(visible), "width": width, "height": height,
                # Both spellings of a run length are usual.
                "segmentation": {"counts": compressed(counts) if number % 2 else counts, "size": [height, width]},
            })
    write(coco / "coco_annotations.json", {
        "info": {"description": "coco_annotations", "version": "1.0", "year": 2026},
        "licenses": [{"id": 1, "name": "CC0", "url": ""}],
        "categories": [{"id": i + 1, "name": name, "supercategory": "coco_annotations"} for i, name in enumerate(names)],
        "images": images, "annotations": annotations,
    })
    write(scene / "scene_gt.json", poses)
    write(scene / "scene_gt_info.json", info)
    write(scene / "scene_camera.json", cameras)
    fx = float(cameras["0"]["cam_K"][0]) if cameras else 0.0
    write(bop / "camera.json", {
        "cx": width / 2, "cy": height / 2, "fx": fx, "fy": fx, "width": width, "height": height,
        "depth_scale": DEPTH_SCALE,
    })


if __name__ == "__main__":
    main()
