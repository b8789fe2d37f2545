"""A Python client that adds 1 to every value, with 10 examples."""
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    weights = message.content["arrays"]["weights"].numpy() + 1
    content = RecordDict({
        "arrays": ArrayRecord({"weights": Array(weights)}),
        "metrics": MetricRecord({"train_loss": 1.0, "num-examples": 10}),
    })
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message, context):
    weights = message.content["arrays"]["weights"].numpy()
    content = RecordDict({"metrics": MetricRecord({"loss": float(weights.mean()), "num-examples": 10})})
    return Message(content=content, reply_to=message)
