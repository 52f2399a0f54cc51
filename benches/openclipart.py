"""Draws clip art with captions for benches/openclipart.toml: pictures of 64×64 pixels on white, and a CSV of their classes
and captions.

    apt-get download openclipart-svg && dpkg -x openclipart-svg_*.deb clipart
    python benches/openclipart.py clipart/usr/share/openclipart/svg data/clipart

The folder is that of Debian's package `openclipart-svg` (public domain). Classes are its folders; a caption is the title of
a picture and its keywords. Every fifth picture of a class is for tests. Needs resvg_py and Pillow.
"""

import csv
import io
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

import resvg_py
from PIL import Image

# At most 300 pictures of each folder are drawn.
CLASSES = {
    "animal": "animals",
    "card": "recreation/games/cards",
    "flag": "signs_and_symbols/flags",
    "food": "food",
    "person": "people",
    "transport": "transportation",
}
MOST = 300
SIZE = 64

DC = "{http://purl.org/dc/elements/1.1/}"
LI = re.compile(r"\{http://(?:www\.w3\.org/1999/02/22-rdf-syntax-ns#|web\.resource\.org/cc/)\}li$")


def caption(path):
    """The title and the keywords, without the author, who is a keyword of many pictures; empty if there are none."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return ""
    texts = [element.text or "" for element in root.iter(DC + "title")][:1]
    for subject in root.iter(DC + "subject"):
        texts += [element.text or "" for element in subject.iter() if LI.search(element.tag)]
    authors = {title.text for name in ["creator", "publisher", "rights"] for element in root.iter(DC + name)
               for title in element.iter(DC + "title") if title.text}
    authors = {author.strip().lower() for author in authors}
    kept = []
    for text in (" ".join(text.split()) for text in texts):
        if text and text.lower() not in authors and text not in kept:
            kept.append(text)
    return ", ".join(kept)


def draw(path):
    """The picture on white, scaled to fit; None if it cannot be drawn or is empty."""
    try:
        png = resvg_py.svg_to_bytes(svg_path=str(path), width=4 * SIZE)
        picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    except (ValueError, OSError, Image.DecompressionBombError):
        return None
    box = picture.getchannel("A").getbbox()
    if box is None:
        return None
    picture = picture.crop(box)
    picture.thumbnail((SIZE - 4, SIZE - 4), Image.LANCZOS)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    place = [(SIZE - side) // 2 for side in picture.size]
    square.paste(picture, tuple(place), picture)
    return square


def main(source, target):
    for split in ["train", "test"]:
        (target / split).mkdir(parents=True, exist_ok=True)
    rows = {"train": [], "test": []}
    for name, folder in CLASSES.items():
        files = sorted((source / folder).rglob("*.svg"))
        if not files:
            sys.exit(f"{source / folder} has no SVG: give the folder of Debian's package openclipart-svg")
        # Some lie in a folder and again in one below it.
        seen, number = set(), 0
        for file in files[::max(1, len(files) // MOST)]:
            picture, words = draw(file), caption(file)
            if picture is None or not words or picture.tobytes() in seen:
                continue
            if number == MOST:
                break
            seen.add(picture.tobytes())
            split = "test" if number % 5 == 4 else "train"
            picture.save(target / split / f"{name}-{number:03}.png")
            rows[split].append([f"{name}-{number:03}.png", name, words])
            number += 1
        print(f"{name}: {number}")
    for split, lines in rows.items():
        with open(target / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["file", "class", "caption"], *lines])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
