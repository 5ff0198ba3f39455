"""Change a saved model and sign it anew, so that what is told is told by its contents and not by a digest."""

import hashlib
import json

from safetensors.torch import load, save


def edit(folder, change):
    """Change the configuration."""
    config = json.loads((folder / "config.json").read_text())
    del config["digest"]
    change(config)
    config["digest"] = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


def edit_bytes(folder, name, change):
    """Change the bytes of a file of tensors."""
    data = change((folder / name).read_bytes())
    (folder / name).write_bytes(data)
    edit(folder, lambda config: config["files"].update({name: hashlib.sha256(data).hexdigest()}))


def edit_tensors(folder, name, change):
    """Change the tensors of a file, by name."""
    tensors = load((folder / name).read_bytes())
    change(tensors)
    edit_bytes(folder, name, lambda _: save(tensors))
