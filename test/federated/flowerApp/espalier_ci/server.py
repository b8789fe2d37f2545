"""Federated averaging of one array. The result goes to the file that ESPALIER_RESULT names."""
import json
import os

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid, context):
    config = context.run_config
    nodes = config["nodes"]
    start = os.environ.get("ESPALIER_START")
    values = np.load(start) if start else np.arange(config["size"], dtype=np.float32)
    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=1.0, min_train_nodes=nodes, min_evaluate_nodes=nodes, min_available_nodes=nodes)
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord({"weights": Array(values)}),
        train_config=ConfigRecord({"lr": 0.1}),
        num_rounds=config["num-rounds"],
        timeout=300,
    )
    final = result.arrays["weights"].numpy()
    metrics = lambda found: {str(number): dict(record) for number, record in found.items()}
    written = dict(
        weights=final.reshape(-1)[:64].tolist(),
        norm=float(np.linalg.norm(final.astype(np.float64))),
        train=metrics(result.train_metrics_clientapp),
        evaluate=metrics(result.evaluate_metrics_clientapp),
    )
    if os.environ.get("ESPALIER_FINAL"):
        np.save(os.environ["ESPALIER_FINAL"], final)
    with open(os.environ["ESPALIER_RESULT"], "w") as file:
        json.dump(written, file)
