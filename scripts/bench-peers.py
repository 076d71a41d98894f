#!/usr/bin/env python3
"""Times other libraries and tools on the matrices on which wwq-fast is timed.

usage: bench-peers.py WWQ_FAST DIR [--runs N]

The matrices are written to DIR (wwq-fast bench --export DIR). All times are medians,
on one thread and on two:

  eigenvalues  numpy.linalg.eigvalsh, scipy.linalg.eigvalsh(driver="evd"), and
               scipy.linalg.svd(compute_uv=False), from which WeightWatcher gets its
               eigenvalues, on the Gram matrices; torch.linalg.eigvalsh and svdvals, if
               torch can be imported, on the CPU and on a GPU if torch finds one
  pipeline     the steps of WeightWatcher for one matrix at one level: float32 to float64,
               all singular values, a power-law scan over every eigenvalue. It is our own
               restatement with numpy and scipy, not the tool itself.
  tool         WeightWatcher's own analyze() of the block, if it can be imported

Each number of threads, and each choice of OpenBLAS kernels, is timed in a process of its
own, because the libraries read both settings when they are loaded.
"""
import argparse
import ctypes
import importlib
import json
import os
import statistics
import subprocess
import sys
import time


def openblas():
    """Returns the name of the kernels of the OpenBLAS that numpy loaded, or None."""
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
    f()  # the first run is not counted
    times = []
    for _ in range(runs):
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return statistics.median(times)


def scan(x):
    """Fits by the formulas of WeightWatcher's default fit, with every eigenvalue but the
    largest as a candidate for xmin. Returns the least distance and its exponent."""
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


def pipeline(path, rows, cols, seconds):
    """Analyses one matrix at one level; appends the duration of the scan to seconds."""
    import numpy as np
    import scipy.linalg

    w = np.fromfile(path, np.float32).reshape(rows, cols)
    s = scipy.linalg.svd(w.astype(np.float64), compute_uv=False)
    started = time.perf_counter()
    scan(s * s)
    seconds.append(time.perf_counter() - started)


def torch_cases(torch, a):
    cases = {}
    for device in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
        for name, dtype in (("f64", torch.float64), ("f32", torch.float32)):
            b = torch.from_numpy(a).to(device=device, dtype=dtype)
            # .cpu() waits until the GPU has finished.
            cases["torch eigvalsh %s %s" % (name, device)] = lambda b=b: torch.linalg.eigvalsh(b).cpu()
            cases["torch svdvals %s %s" % (name, device)] = lambda b=b: torch.linalg.svdvals(b).cpu()
    return cases


def tool(torch, weightwatcher, directory, layers):
    """Returns a function that runs WeightWatcher itself on the block."""
    import numpy as np

    model = torch.nn.Module()
    for i, e in enumerate(layers):
        linear = torch.nn.Linear(e["cols"], e["rows"], bias=False)
        w = np.fromfile(os.path.join(directory, e["file"]), np.float32).reshape(e["rows"], e["cols"])
        linear.weight.data = torch.from_numpy(w)
        model.add_module("layer%d" % i, linear)
    return lambda: weightwatcher.WeightWatcher(model=model).analyze()


def worker(directory, runs):
    """Measures everything with the threads and kernels of this process; prints JSON."""
    import numpy as np
    import scipy.linalg

    torch = optional("torch")
    weightwatcher = optional("weightwatcher") if torch else None
    out = {"core": openblas(), "numpy": np.__version__, "scipy": scipy.__version__, "eigenvalues": {}, "pipeline": 0, "scan": 0}
    if torch:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        out["torch"] = torch.__version__ + (", a GPU" if torch.cuda.is_available() else ", no GPU")
    index = json.load(open(os.path.join(directory, "index.json")))
    layers = [e for e in index if e["kind"] == "layer"]
    for e in index:
        path = os.path.join(directory, e["file"])
        if e["kind"] == "layer":
            scans = []
            out["pipeline"] += median_time(lambda: pipeline(path, e["rows"], e["cols"], scans), 3)
            out["scan"] += statistics.median(scans)
            continue
        a = np.fromfile(path, np.float64).reshape(e["rows"], e["cols"])
        cases = {}
        for name, t in (("f64", np.float64), ("f32", np.float32)):
            b = a.astype(t)
            cases["numpy eigvalsh " + name] = lambda b=b: np.linalg.eigvalsh(b)
            cases["scipy eigvalsh evd " + name] = lambda b=b: scipy.linalg.eigvalsh(b, driver="evd")
        if e["rows"] <= 1024:
            cases["scipy svd f64"] = lambda: scipy.linalg.svd(a, compute_uv=False)
        if torch:
            cases.update(torch_cases(torch, a))
        times = {name: median_time(f, 3 if e["rows"] >= 2048 else runs) for name, f in cases.items()}
        out["eigenvalues"][e["rows"]] = times
    if weightwatcher:
        out["weightwatcher"] = weightwatcher.__version__
        out["tool"] = median_time(tool(torch, weightwatcher, directory, layers), 3)
    json.dump(out, sys.stdout)


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def run_worker(directory, runs, threads, core):
    env = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
    if core:
        env["OPENBLAS_CORETYPE"] = core
    cmd = [sys.executable, os.path.abspath(__file__), "--worker", directory, "--runs", str(runs)]
    return json.loads(subprocess.run(cmd, env=env, check=True, stdout=subprocess.PIPE).stdout)


def ours(program, threads):
    """Runs wwq-fast bench. Returns the machine and the medians of the default backend:
    those of the eigenvalues by type and order, and those of the whole analysis of a block
    by number of levels and mode."""
    text = subprocess.run(
        [program, "bench", "--json", "--quiet", "--threads", str(threads), "--suite", "eigenvalues,whole"],
        check=True, stdout=subprocess.PIPE).stdout
    machine, eigen, whole = {}, {}, {}
    for line in text.splitlines():
        r = json.loads(line)
        if r["type"] == "machine":
            machine = r
        if r["type"] != "result" or r["variant"] != machine["env"]["lapack"]:
            continue
        if r["suite"] == "eigenvalues":
            eigen[r["params"]["dtype"], r["params"]["n"]] = r["median"]
        else:
            p = r["params"]
            mode = " ".join(p[k] for k in ("precision", "dequant") if k in p) or "double"
            whole[int(p["levels"]), mode] = r["median"]
    return machine, eigen, whole


def report(results, mine, was):
    """Prints a table of all results; a ratio above 1 means that the peer is slower."""
    first, (machine, _, _) = results[1], mine[1]
    library = machine["env"]["library"]
    print("ours:   %s, go %s; %s; kernels %s; loops %s" % (
        machine["cpu"], machine["env"]["go"], machine["env"]["lapack"], library.get("core", "none"), machine["env"]["quantize_simd"]))
    print("peers:  numpy %s, scipy %s; OpenBLAS kernels %s%s; torch %s; weightwatcher %s" % (
        first["numpy"], first["scipy"], first["core"], ", corrected from " + was if was else "",
        first.get("torch", "not there"), first.get("weightwatcher", "not there")))
    print("The pipeline is our own restatement of WeightWatcher's, not the tool itself. It neither")
    print("quantizes nor computes error statistics; our analysis does both. Our eigenvalue calls use")
    print("one thread, however many the peer has.\n")
    row = "%-24s %-26s %8s %12s %12s %8s"
    print(row % ("work", "peer", "threads", "peer", "ours", "ratio"))
    print("-" * 95)

    def line(work, peer, threads, t, own):
        if own:
            print(row % (work, peer, threads, "%.3f ms" % (1e3 * t), "%.3f ms" % (1e3 * own), "%.2f" % (t / own)))

    for n in first["eigenvalues"]:
        for peer in first["eigenvalues"][n]:
            for threads, r in results.items():
                own = mine[threads][1].get(("f32" if "f32" in peer else "f64", n))
                line("eigenvalues n=" + n, peer, threads, r["eigenvalues"][n][peer], own)
    for threads, r in results.items():
        whole = mine[threads][2]
        for levels, mode in sorted(whole):
            work = "a level of %d, %s" % (levels, mode)
            own = whole[levels, mode] / levels
            line(work, "pipeline, restated", threads, r["pipeline"], own)
            if "tool" in r:
                line(work, "WeightWatcher", threads, r["tool"], own)
    for threads, r in results.items():
        print("\nof the pipeline on %d thread(s), the scan took %.3f s of %.3f s" % (threads, r["scan"], r["pipeline"]), end="")
    print()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program", nargs="?")
    p.add_argument("dir", nargs="?")
    p.add_argument("--runs", type=int, default=9)
    p.add_argument("--worker")
    a = p.parse_args()
    if a.worker:
        return worker(a.worker, a.runs)
    if not a.program or not a.dir:
        p.error("WWQ_FAST and DIR are needed")
    if not optional("scipy"):
        sys.exit("bench-peers: this Python has no scipy (Debian: python3-scipy)")
    subprocess.run([a.program, "bench", "--quiet", "--export", a.dir], check=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    core = openblas()
    fix = better_core() if core in SLOW and "OPENBLAS_CORETYPE" not in os.environ else ""
    counts = [1, 2] if cores > 1 else [1]
    mine = {t: ours(a.program, t) for t in counts}
    results = {t: run_worker(a.dir, a.runs, t, fix) for t in counts}
    report(results, mine, core if fix else "")


if __name__ == "__main__":
    main()
