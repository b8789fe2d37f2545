"""Cycles of SCALE-Sim (pip install scalesim) for matrix products on systolic arrays, as JSON: [{rows, columns, dataflow, M, N, K, cycles}].

python3 cycles.py > scaleSim.golden.json
"""
import contextlib
import csv
import glob
import io
import json
import os
import random
import sys
import tempfile

from scalesim.scale_sim import scalesim

CONFIG = """[general]
run_name = run
[architecture_presets]
ArrayHeight: {rows}
ArrayWidth: {columns}
IfmapSramSzkB: 4096
FilterSramSzkB: 4096
OfmapSramSzkB: 4096
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 1000
Dataflow: {dataflow}
MemoryBanks: 1
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def cycles(rows, columns, dataflow, products):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "array.cfg")
        topology = os.path.join(folder, "products.csv")
        layout = os.path.join(folder, "layout.csv")
        with open(config, "w") as file:
            file.write(CONFIG.format(rows=rows, columns=columns, dataflow=dataflow))
        with open(topology, "w") as file:
            file.write("Layer,M,N,K,\n" + "".join(f"p{i},{m},{n},{k},\n" for i, (m, n, k) in enumerate(products)))
        with open(layout, "w") as file:
            file.write("Layer,\n" + "".join(f"p{i},1,1,1,1,1,1,1,1,1,1,1,1,1,1,\n" for i in range(len(products))))
        with contextlib.redirect_stdout(io.StringIO()):
            sim = scalesim(save_disk_space=True, verbose=False, config=config, topology=topology, layout=layout, input_type_gemm=True)
            sim.run_scale(top_path=folder)
        report = glob.glob(os.path.join(folder, "**", "COMPUTE_REPORT.csv"), recursive=True)[0]
        with open(report) as file:
            found = [{key.strip(): value.strip() for key, value in row.items() if key} for row in csv.DictReader(file)]
        return [(int(float(row["Total Cycles"])), int(float(row["Stall Cycles"]))) for row in found]


def main():
    random.seed(1)
    result = []
    for rows, columns in [(8, 8), (16, 4), (4, 32), (32, 32)]:
        for dataflow in ["os", "ws", "is"]:
            products = [(random.choice([1, 2, 7, 16, 33, 64]), random.randint(1, 96), random.randint(1, 96)) for _ in range(5)]
            for (m, n, k), (total, stalls) in zip(products, cycles(rows, columns, dataflow, products)):
                result.append(dict(rows=rows, columns=columns, dataflow=dataflow, M=m, N=n, K=k, cycles=total, stalls=stalls))
    json.dump(result, sys.stdout, separators=(",", ":"))


main()
