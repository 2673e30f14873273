"""Made records of ``conform train``: small test splits, and predictions that are wrong for as many samples as a test asks."""

import hashlib
import json

from conformance.studies.experiments import grid

LABELS = {"nusax": "".join(str(n % 3) for n in range(90)), "cifar10": "".join(str(n % 10) for n in range(200))}
CLASSES = {"nusax": ["negative", "neutral", "positive"], "cifar10": [f"class {n}" for n in range(10)]}
SHA256 = {name: hashlib.sha256(name.encode()).hexdigest() for name in LABELS}
CURVE = {"train_loss": [1.0, 0.6, 0.4], "valid_loss": [0.9, 0.7, 0.8], "train_macro_f1": [0.4, 0.7, 0.9], "valid_macro_f1": [0.3, 0.6, 0.5]}


def predictions(dataset, wrong, start=0):
    """The labels, but another class from `start` on for so many samples."""
    classes = len(CLASSES[dataset])
    return "".join(str((int(one) + (start <= n < start + wrong)) % classes) for n, one in enumerate(LABELS[dataset]))


def record(name, seed=0, wrong=9, start=0, predicted=None, **changes):
    """The record of a row with its seed."""
    from sklearn.metrics import accuracy_score, f1_score

    row = grid.find(name)
    predicted = predicted or predictions(row.dataset, wrong, start)
    true, named = list(LABELS[row.dataset]), list(predicted)
    scores = {"loss": 0.5, "accuracy": accuracy_score(true, named), "macro_f1": f1_score(true, named, average="macro", zero_division=0)}
    curves = {curve: changes.pop(curve, values) for curve, values in CURVE.items()}
    made = {
        "row": {**row.to_json(), "seed": seed},
        "command": f"conform train {name}",
        "date": "2026-01-01",
        "versions": {"keras": "3.15.1"},
        "data_sha256": SHA256[row.dataset],
        "seconds": 12345.6,
        "epochs_run": len(curves["train_loss"]),
        "best_epoch": len(curves["train_loss"]),
        **curves,
        "valid": scores,
        "test": scores,
        "test_predictions": predicted,
    }
    return made | changes


def folds(name, wrong, count=5, **changes):
    """The records of a row's cross-validation, or of its first parts."""
    made = [record(name, wrong=wrong, **changes) for _ in range(count)]
    return [one | {"row": {**one["row"], "fold": fold}} for fold, one in enumerate(made)]


def write(folder, records):
    """The records and their manifest, as ``conform train`` leaves them below ``runs/``."""
    place = folder / "experiments"
    for one in records:
        variant = f"seed-{one['row']['seed']}" if one["row"].get("fold") is None else f"fold-{one['row']['fold']}"
        path = place / one["row"]["name"] / f"{variant}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(one))
    data = {
        name: {"title": f"{name} made up", "sha256": SHA256[name], "notice": "-", "classes": CLASSES[name], "test_labels": LABELS[name]}
        for name in LABELS
    }
    (place / "manifest.json").write_text(json.dumps({"command": "conform train", "data": data, "files": {}}))
    return folder
