"""What a machine makes of the first parts: their tensors, and the backbone's features of tensors that are given.

Run by `prove_arm.py` on each machine, in a folder with `bundle` and `parts`: OUT.npz [GIVEN.npz].
"""

import sys
from pathlib import Path

import numpy as np

from edge.model.bundle import load
from edge.model.interpreter import Interpreter
from edge.model.runner import open_model
from edge.model.runtime import runtime
from edge.preprocess import picture
from edge.preprocess.pyramid import Pyramid
from edge.preprocess.tensor import prepare

FIRST = 4

bundle = load(Path("bundle"))
spec = open_model(bundle).spec
tensors = {
    path.stem: prepare(Pyramid(picture.read(path)), spec, None, []).tensors[0]
    for path in sorted(Path("parts").glob("*.png"))[:FIRST]
}
given = dict(np.load(sys.argv[2])) if len(sys.argv) > 2 else tensors
interpreter = Interpreter(bundle.files[bundle.manifest.network], size=(spec.height, spec.width))
features = [output.ravel() for name in tensors for output in interpreter.invoke(given[name])]
np.savez(sys.argv[1], features=np.concatenate(features), **tensors)
print(f"{runtime()}, NumPy {np.__version__}")
