"""Unpacks chairs, tables and sofas of Debian's package sweethome3d-furniture as OBJ files in metres.

    python3 benches/furniture.py /usr/share/sweethome3d/furniture OUT

writes OUT/known/chair/*.obj, the same for tables and sofas, and every fourth model of each to OUT/held-out; geometry alone,
for `benches/sculpt.toml` and `benches/shapes.toml`. A third of the models is CC0, the rest CC BY 3.0; the package's copyright
file names the authors.
"""

import re
import sys
import zipfile
from pathlib import Path

# By English names; the first pattern that fits counts.
CLASSES = [
    ("", r"lamp|light|set\b|bedside|stool|baby|toilet|dressing|computer|snooker|pool|tennis|football"),
    ("sofa", r"sofa|couch|settee|divan"),
    ("chair", r"chair"),
    ("table", r"table|desk"),
]


def catalogues(folder):
    for path in sorted(Path(folder).glob("*.sh3f")):
        archive = zipfile.ZipFile(path)
        text = archive.read("PluginFurnitureCatalog.properties").decode("latin1")
        entries = dict(re.findall(r"^(\w+#\d+)\s*=\s*(.*?)\s*$", text, re.M))
        for key, name in entries.items():
            if not key.startswith("name#"):
                continue
            number = key.split("#")[1]
            model = entries.get(f"model#{number}", "").lstrip("/")
            kind = next((c for c, pattern in CLASSES if re.search(pattern, name, re.I)), "")
            if kind and model.endswith(".obj") and f"width#{number}" in entries:
                rotation = entries.get(f"modelRotation#{number}", "1 0 0 0 1 0 0 0 1")
                yield archive, path.stem, kind, model, float(entries[f"width#{number}"]) / 100, rotation


def geometry(text, width, rotation):
    """Vertices turned and scaled to this width, and faces without textures and normals."""
    m = [float(value) for value in rotation.split()]
    vertices, faces = [], []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            x, y, z = map(float, words[1:4])
            vertices.append([m[3 * r] * x + m[3 * r + 1] * y + m[3 * r + 2] * z for r in range(3)])
        elif words[:1] == ["f"]:
            numbers = [int(word.split("/")[0]) for word in words[1:]]
            faces.append([n if n > 0 else len(vertices) + 1 + n for n in numbers])
    used = {n for face in faces for n in face}
    across = [vertices[n - 1][0] for n in used]
    scale = width / (max(across) - min(across))
    lines = ["v " + " ".join(f"{value * scale:.5f}" for value in vertex) for vertex in vertices]
    return "\n".join(lines + ["f " + " ".join(map(str, face)) for face in faces if len(face) > 2]) + "\n"


def main(folder, out):
    counts, seen = {}, set()
    for archive, author, kind, model, width, rotation in catalogues(folder):
        if (author, model) in seen:
            continue
        seen.add((author, model))
        text = archive.read(model).decode("latin1")
        counts[kind] = counts.get(kind, 0) + 1
        part = "known" if counts[kind] % 4 else "held-out"
        path = Path(out) / part / kind / f"{author}-{Path(model).stem}.obj"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(geometry(text, width, rotation))
    print(counts)


main(*sys.argv[1:3])
