"""Make public.json: tensors and outputs of the public networks by their authors' own code, with random weights.

Only the classes in the authors' scripts are run. BIOT needs linear-attention-transformer (it was made with 0.19.1).
With clones of bdsp-core/IIIC-SPaRCNet (09081b16) and ycq091044/BIOT (1e48e84e):

    python -m tests.golden.make_public IIIC-SPaRCNet/SPaRCNet/runSPaRCNet.py BIOT/model/biot.py
"""

import ast
import json
import math
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from linear_attention_transformer import LinearAttentionTransformer
from tests.models.public import random_input, random_weights
from torch import nn


def classes(script: str) -> dict[str, Any]:
    """Return the classes that a script defines, without running the rest of it."""
    tree = ast.parse(Path(script).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {"torch": torch, "nn": nn, "F": nn.functional, "np": np, "math": math, "OrderedDict": OrderedDict}
    names["LinearAttentionTransformer"] = LinearAttentionTransformer
    exec(compile(tree, script, "exec"), names)
    return names


def facts(network: nn.Module) -> dict[str, Any]:
    """Return what ictal's network must have in common with the authors'."""
    network.load_state_dict(random_weights(network))
    with torch.inference_mode():
        output = network.eval()(torch.from_numpy(random_input()))
    output = output[0] if isinstance(output, tuple) else output  # SPaRCNet returns its features, too
    return {
        "n_parameters": sum(one.numel() for one in network.parameters() if one.is_floating_point()),
        "tensors": {name: list(value.shape) for name, value in network.state_dict().items()},
        "output": output.tolist(),
    }


def main() -> None:
    """Write the golden values beside this script."""
    sparcnet, biot = (classes(script) for script in sys.argv[1:])
    made = {
        "sparcnet": sparcnet["DenseNetClassifier"](),
        "biot-16": biot["BIOTClassifier"](n_channels=16),
        "biot-18": biot["BIOTClassifier"](n_channels=18),
    }
    text = json.dumps({name: facts(network) for name, network in made.items()})
    Path(__file__).with_name("public.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
