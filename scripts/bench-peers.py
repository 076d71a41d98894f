#!/usr/bin/env python3
"""Times what a user could run instead, on the same matrices, beside wwq-fast.

usage: bench-peers.py WWQ_FAST DIR [--runs N]

DIR receives the matrices (wwq-fast bench --export DIR). Measured, one thread and
all threads, medians: numpy.linalg.eigvalsh, scipy.linalg.eigvalsh (driver evd) and
scipy.linalg.svd(compute_uv=False) on the Gram matrices; WeightWatcher's pipeline for
one layer and level (float64 SVD of the matrix, then a power-law scan over every
eigenvalue), restated here with numpy and scipy: not the tool itself, which is timed
only if it can be imported; torch.linalg.svdvals and eigvalsh if torch can be.

Every process with another number of threads, or other OpenBLAS kernels, is started
anew: the libraries read both when they load.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys
import time


def openblas():
    """The OpenBLAS that numpy loaded, or None."""
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401

    for line in open("/proc/self/maps") if os.path.exists("/proc/self/maps") else []:
        path = line.split()[-1]
        if "openblas" in os.path.basename(path) or "libblas" in os.path.basename(path):
            lib = ctypes.CDLL(path)
            for prefix in ("", "scipy_"):
                if hasattr(lib, prefix + "openblas_get_corename"):
                    f = getattr(lib, prefix + "openblas_get_corename")
                    f.restype = ctypes.c_char_p
                    return f().decode()
    return None


SLOW = {"Prescott", "Core2", "Penryn", "Dunnington", "Atom", "Nehalem", "Sandybridge", "Barcelona", "Bulldozer"}


def better_core():
    flags = ""
    if os.path.exists("/proc/cpuinfo"):
        for line in open("/proc/cpuinfo"):
            if line.startswith("flags"):
                flags = line
                break
    if " avx512bw" in flags:
        return "SkylakeX"
    return "Haswell" if " avx2" in flags else ""


def median_time(f, runs):
    times = []
    for _ in range(runs):
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return sorted(times)[len(times) // 2]


def scan(x):
    """The default fit, as its formulas say: every eigenvalue but the last is a candidate."""
    import numpy as np

    x = np.sort(x[x > 1e-5])
    n = len(x)
    logs = np.log(x)
    best = (2.0, 0.0)
    for i in range(n - 1):
        tail = n - i
        alpha = 1 + tail / (logs[i:].sum() - tail * logs[i])
        if alpha > 1:
            d = np.abs(1 - (x[i:] / x[i]) ** (1 - alpha) - np.arange(tail) / tail).max()
        else:
            d = 1.0
        best = min(best, (d, alpha))
    return best


def pipeline(w):
    import scipy.linalg

    s = scipy.linalg.svd(w.astype("float64"), compute_uv=False)
    return scan(s * s)


def worker(directory, runs):
    """Measures everything with the threads and kernels of this process."""
    import numpy as np
    import scipy.linalg

    out = {"core": openblas(), "numpy": np.__version__, "scipy": scipy.__version__, "times": {}}
    try:
        import torch

        out["torch"] = torch.__version__ + (" cuda" if torch.cuda.is_available() else " cpu")
    except ImportError:
        torch = None
    try:
        import weightwatcher

        out["weightwatcher"] = weightwatcher.__version__
    except ImportError:
        pass
    for e in json.load(open(os.path.join(directory, "index.json"))):
        dtype = {"f64": np.float64, "f32": np.float32}[e["dtype"]]
        a = np.fromfile(os.path.join(directory, e["file"]), dtype).reshape(e["rows"], e["cols"])
        count = 3 if e["rows"] >= 2048 or e["kind"] == "layer" else runs
        cases = {}
        if e["kind"] == "gram":
            for name, t in (("f64", np.float64), ("f32", np.float32)):
                b = a.astype(t)
                cases["numpy eigvalsh " + name] = lambda b=b: np.linalg.eigvalsh(b)
                cases["scipy eigvalsh evd " + name] = lambda b=b: scipy.linalg.eigvalsh(b, driver="evd")
            if e["rows"] <= 1024:
                cases["scipy svd f64"] = lambda: scipy.linalg.svd(a, compute_uv=False)
            if torch is not None:
                for device in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
                    b = torch.from_numpy(a).to(device)
                    cases["torch eigvalsh f64 " + device] = lambda b=b: torch.linalg.eigvalsh(b).cpu()
        else:
            cases["pipeline, restated"] = lambda: pipeline(a)
        for name, f in cases.items():
            out["times"].setdefault(e["name"], {})[name] = median_time(f, count)
    json.dump(out, sys.stdout)


def run_worker(directory, runs, threads, core):
    env = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
    if core:
        env["OPENBLAS_CORETYPE"] = core
    cmd = [sys.executable, os.path.abspath(__file__), "--worker", directory, "--runs", str(runs)]
    return json.loads(subprocess.run(cmd, env=env, check=True, stdout=subprocess.PIPE).stdout)


def ours(program, threads):
    """Medians of wwq-fast: eigenvalues by (dtype, n), and the whole analysis."""
    text = subprocess.run(
        [program, "bench", "--json", "--quiet", "--suite", "eigenvalues,whole"], check=True, stdout=subprocess.PIPE
    ).stdout
    eigen, whole = {}, {}
    for line in text.splitlines():
        r = json.loads(line)
        if r["type"] == "result" and r["variant"] == "twostage":
            if r["suite"] == "eigenvalues":
                eigen[r["params"]["dtype"], int(r["params"]["n"])] = r["median"]
            else:
                whole[int(r["params"]["levels"])] = r["median"]
    return eigen, whole


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program", nargs="?")
    p.add_argument("dir", nargs="?")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--worker")
    a = p.parse_args()
    if a.worker:
        return worker(a.worker, a.runs)
    if not a.program or not a.dir:
        p.error("WWQ_FAST and DIR are needed")
    try:
        import scipy  # noqa: F401
    except ImportError:
        sys.exit("bench-peers: this Python has no scipy (Debian: python3-scipy)")
    os.makedirs(a.dir, exist_ok=True)
    subprocess.run([a.program, "bench", "--quiet", "--export", a.dir], check=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    eigen, whole = ours(a.program, cores)
    core = openblas()
    fix = better_core() if core in SLOW else ""
    results = {t: run_worker(a.dir, a.runs, t, fix) for t in sorted({1, cores})}
    one = results[1]
    print("peers: numpy %s, scipy %s%s%s; OpenBLAS kernels %s%s" % (
        one["numpy"], one["scipy"], ", torch " + one["torch"] if "torch" in one else ", no torch",
        ", weightwatcher " + one["weightwatcher"] if "weightwatcher" in one else ", no weightwatcher",
        one["core"], " (corrected from %s)" % core if fix else ""))
    print("\neigenvalues, one thread; twostage is the engine's default\n")
    print("%-12s %-26s %10s %12s %8s" % ("matrix", "peer", "peer ms", "twostage ms", "ratio"))
    for name, cases in one["times"].items():
        if not name.startswith("gram-"):
            continue
        for case, t in cases.items():
            mine = eigen.get(("f32" if "f32" in case else "f64", int(name[5:])))
            if mine:
                print("%-12s %-26s %10.2f %12.2f %8.2f" % (name, case, 1e3 * t, 1e3 * mine, t / mine))
    if 7 in whole:
        print("\none block (seven matrices) at one level; ours is a seventh of the analysis at seven levels, on %d cores" % cores)
        print("the peer is a restatement of WeightWatcher's pipeline, without its loading and quantizing\n")
        for threads, r in results.items():
            t = sum(c["pipeline, restated"] for n, c in r["times"].items() if not n.startswith("gram-"))
            print("restated pipeline, %d thread(s): %8.3f s   ours: %8.3f s   ratio %6.1f" % (threads, t, whole[7] / 7, t / (whole[7] / 7)))


if __name__ == "__main__":
    main()
