"""`python -m maskaq.export.memory FILE`: peak memory in MB of a process that classifies one image.

Only onnxruntime is loaded, as in a program that uses the file.
"""

import re
import resource
import sys
from pathlib import Path

import numpy as np
import onnxruntime

_STATUS = Path("/proc/self/status")


def main(path: str) -> float:
    """Peak resident memory in MB (10^6 bytes)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    session.run(None, {images.name: np.zeros((1, *images.shape[1:]), np.float32)})
    return peak()


def peak() -> float:
    """Peak resident memory of this process in MB.

    On Linux `getrusage` also counts the process that started this one.
    """
    if _STATUS.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1]) * 1024 / 1e6
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    print(main(sys.argv[1]))
