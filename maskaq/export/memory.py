"""`python -m maskaq.export.memory FILE`: peak memory in MB of a process that classifies one image.

Only onnxruntime is loaded, as in a program that uses the file.
"""

import resource
import sys

import numpy as np
import onnxruntime


def main(path: str) -> float:
    """Peak resident memory in MB (10^6 bytes)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    session.run(None, {images.name: np.zeros((1, *images.shape[1:]), np.float32)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    print(main(sys.argv[1]))
