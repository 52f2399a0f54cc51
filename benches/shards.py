"""The counterpart of shards.rs: Pillow and webdataset's ShardWriter.

    python shards.py PARTS OUT jpeg|png PROCESSES

Reads the parts with pyarrow, makes JPEGs of the PNGs or passes them on, and writes shards with the labels as JSON; each
process has shards of its own. Prints the peak memory of all of them in KiB.
"""

import glob
import io
import json
import multiprocessing
import os
import resource
import sys

import pyarrow.parquet as pq
import webdataset
from PIL import Image

CLASSES = ["bolt", "mug", "nut"]


def plain(value):
    """What JSON can hold; masks are run lengths."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


def write(job):
    number, parts, out, encoding = job
    writers = {}
    for part in parts:
        for row in pq.ParquetFile(part).read(columns=COLUMNS).to_pylist():
            split = row["split"] or "train"
            if split not in writers:
                pattern = os.path.join(out, f"{split}-{number}-%06d.tar")
                writers[split] = webdataset.ShardWriter(pattern, maxcount=10_000, maxsize=1 << 30, verbose=0)
            picture, ending = row["image"], "png"
            if encoding == "jpeg":
                ending, encoded = "jpg", io.BytesIO()
                pixels = Image.open(io.BytesIO(picture)).convert("RGB")
                pixels.save(encoded, "JPEG", quality=95, subsampling=0)
                picture = encoded.getvalue()
            labels = {"class": row["class"], "objects": plain(row["objects"])}
            writers[split].write({
                "__key__": row["id"],
                ending: picture,
                "json": json.dumps(labels).encode(),
                "cls": str(CLASSES.index(row["class"])).encode(),
            })
    for writer in writers.values():
        writer.close()


def main():
    parts, out, encoding, processes = sys.argv[1:]
    files = sorted(glob.glob(os.path.join(parts, "*.parquet")))
    processes = int(processes)
    jobs = [(number, files[number::processes], out, encoding) for number in range(processes)]
    if processes == 1:
        write(jobs[0])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    with multiprocessing.Pool(processes) as pool:
        pool.map(write, jobs)
        pool.close()
        pool.join()
    # That of the largest child.
    print(processes * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


COLUMNS = ["id", "image", "class", "objects", "split"]

if __name__ == "__main__":
    main()
