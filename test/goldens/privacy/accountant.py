"""Makes accountant.json: epsilons of dp-accounting and opacus. Needs: pip install dp-accounting opacus"""
import json
import warnings
from importlib.metadata import version

import dp_accounting
from dp_accounting import pld, rdp
from opacus.accountants.analysis import rdp as opacus_rdp

warnings.filterwarnings("ignore")
OPACUS_ORDERS = [1 + x / 10.0 for x in range(1, 100)] + list(range(12, 64)) + [128, 256, 512, 1024]
CASES = [
    (noise, rate, rounds, delta)
    for noise in (0.6, 0.8, 1.0, 2.0, 5.0)
    for rate, rounds in ((1.0, 1), (1.0, 20), (0.01, 1000), (0.1, 100), (0.3, 50), (0.002, 10000))
    for delta in (1e-5, 1e-8)
]
rows = []
for noise, rate, rounds, delta in CASES:
    event = dp_accounting.GaussianDpEvent(noise)
    if rate < 1:
        event = dp_accounting.PoissonSampledDpEvent(rate, event)
    event = dp_accounting.SelfComposedDpEvent(event, rounds)
    ours = rdp.RdpAccountant().compose(event).get_epsilon(delta)
    # every round rounds up a little, which adds up over thousands
    interval = 1e-3 if rounds < 1000 else 1e-5 if noise > 1 else 4e-5
    tight = pld.PLDAccountant(value_discretization_interval=interval).compose(event).get_epsilon(delta)
    values = opacus_rdp.compute_rdp(q=rate, noise_multiplier=noise, steps=rounds, orders=OPACUS_ORDERS)
    opacus, _ = opacus_rdp.get_privacy_spent(orders=OPACUS_ORDERS, rdp=values, delta=delta)
    rows.append(dict(noise=noise, rate=rate, rounds=rounds, delta=delta, dpAccounting=ours, opacus=float(opacus), pld=tight))
made = {name: version(name) for name in ("dp-accounting", "opacus")}
with open(__file__.replace(".py", ".json"), "w") as file:
    json.dump(dict(made=made, cases=rows), file, indent=1)
    file.write("\n")
