"""The viewer without torch: it scores, shows and explains what a shipped model says; an own model needs torch."""

import json
import subprocess
import sys
from pathlib import Path

from ictal.errors import EXTRAS

PROJECT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys
from pathlib import Path

from tests.without import Hidden

sys.meta_path.insert(0, Hidden(set(json.loads(sys.argv[1]))))

from ictal.errors import MissingExtraError
from ictal.web.viewer import Viewer
from ictal.web.worker_process import WorkerProcess
from tests.web.clients import client_of, wait_for

viewer = Viewer(Path(sys.argv[3]))
item = viewer.show(Path(sys.argv[2]))
wait_for(lambda: item.state in ("scored", "failed"))
client = client_of(viewer)
base = f"/api/recordings/{item.id}"
why = client.get(f"{base}/why?time_s=35&pattern=lpd")
similar = client.get(f"{base}/similar?time_s=35").json()["windows"]
try:
    WorkerProcess(Path(sys.argv[3])).ask("why")
except MissingExtraError as error:
    own = str(error)
print(json.dumps({
    "state": item.state,
    "page": client.get("/").status_code,
    "signal": client.get(f"{base}/signal?start_s=0&stop_s=10&width=100").status_code,
    "probabilities": client.get(f"{base}/window?time_s=35").json()["probabilities"],
    "why": [why.status_code, len(why.json()["grid"])],
    "similar": len(similar),
    "own": own,
}))
viewer.stop()
"""


def test_it_scores_shows_and_explains_without_torch_and_says_what_an_own_model_needs(night, tmp_path):
    command = [sys.executable, "-c", CODE, json.dumps(EXTRAS["train"]), str(night), str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["page"], told["signal"]) == ("scored", 200, 200)
    assert len(told["probabilities"]) == 6
    assert (told["why"], told["similar"]) == ([200, 18], 6)
    assert told["own"].endswith("install them with: pip install 'ictal[train]'")
    assert "needs torch, torchvision, timm" in told["own"]
