"""What pyarrow needs to write and read the rows of one segment, printed as JSON: median seconds by task.

`commit` and `read` begin and end, as trainpilot does, with one object per env step, grouped by trajectory;
`commit, from columns` and `read, to columns` leave out that half of the work. Writing ends with the same promise:
the file and its name are on disk, and nothing was overwritten.
"""

import json
import os
import sys
import time

import pyarrow
import pyarrow.parquet as parquet

ROUNDS = 9


def commit(table, folder):
    staged, final = os.path.join(folder, "peer.staged"), os.path.join(folder, "peer.parquet")
    with open(staged, "wb") as file:
        parquet.write_table(table, file, compression="snappy", use_dictionary=dictionary(table))
        file.flush()
        os.fsync(file.fileno())
    os.link(staged, final)
    os.unlink(staged)
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return final


def dictionary(table):
    floats = (pyarrow.float64(), pyarrow.float32(), pyarrow.bool_())
    return [field.name for field in table.schema if field.type not in floats]


def group(rows):
    trajectories = {}
    for row in rows:
        trajectories.setdefault((row["index"], row["attempt"]), []).append(row)
    return trajectories


def median(task, clean=lambda result: None):
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        result = task()
        times.append(time.perf_counter() - begin)
        clean(result)
    return sorted(times)[ROUNDS // 2]


def main(path):
    pyarrow.set_cpu_count(1)
    folder = os.path.dirname(path)
    table = parquet.read_table(path, use_threads=False)
    rows = table.to_pylist()
    from_rows = lambda: commit(pyarrow.Table.from_pylist(rows, schema=table.schema), folder)
    read = lambda: parquet.read_table(path, use_threads=False)
    print(json.dumps({
        "commit": median(from_rows, os.unlink),
        "commit, from columns": median(lambda: commit(table, folder), os.unlink),
        "read": median(lambda: group(read().to_pylist())),
        "read, to columns": median(read),
    }))


main(sys.argv[1])
