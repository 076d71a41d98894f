package report

import (
	"cmp"
	"math"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// provenance says how a result was computed.
func (p printer) provenance(res *engine.Result) {
	e := &res.Env
	p.line("wwq-fast %s, %s, %s/%s", e.Version, e.Go, e.OS, e.Arch)
	p.line("eigenvalues: backend %s; Gram matrix: backend %s; precision %s", e.LAPACK, e.BLAS,
		cmp.Or(res.Options.Precision, spectrum.Double))
	p.line("Gram matrices of weights that are a step times whole numbers are summed in integers.")
	library := e.Library.Library
	if e.Library.Core != "" {
		library += ", kernels " + e.Library.Core
	}
	p.line("C library: %s", library)
	if res.Options.Reproducible {
		p.line("reproducible: the same on every x86-64 processor with AVX2, for this version and C library")
	}
	methods := map[spectrum.Method]int{}
	rows, trace := 0, 0.0
	for k := range res.Rows {
		for i := range res.Rows[k] {
			if r := &res.Rows[k][i]; r.Computed() {
				rows++
				trace = math.Max(trace, r.TraceError)
				methods[r.Method]++
			}
		}
	}
	p.line("%d layer-levels in %.2f s; %d rank-deficient, the rank found modulo a prime; %d by singular values",
		rows, res.Elapsed.Seconds(), methods[spectrum.GramRank], methods[spectrum.SVD])
	if n := methods[spectrum.GramFloat32]; n > 0 {
		p.line("%d with eigenvalues in float32, of full rank beyond their error (--precision single)", n)
	}
	p.line("check: sum of eigenvalues against squared Frobenius norm, largest relative error %.1e", trace)
	for _, w := range res.Warnings {
		p.line("note: %s", w)
	}
}

// tensors accounts for the tensors of the checkpoint, and names the rows that have no
// exponent.
func (p printer) tensors(d *data) {
	res := d.res
	p.line("%d in the checkpoint: %d analysed, %d refused, %d skipped", len(res.Tensors),
		res.Count(engine.Analysed), res.Count(engine.Refused), res.Count(engine.Skipped))
	kept := 0
	for i := range res.Tensors {
		for j := range res.Tensors[i].Layers {
			if !res.Tensors[i].Layers[j].Quantized {
				kept++
			}
		}
	}
	if kept > 0 {
		p.line("%d layers are tables of vectors, not quantized: the same at every level", kept)
	}
	for _, status := range []engine.Status{engine.Refused, engine.Planned} {
		for i := range res.Tensors {
			if t := &res.Tensors[i]; t.Status == status {
				p.line("  %s %s: %s", status, t.Name, t.Reason)
			}
		}
	}
	p.skipped(res.Tensors)
	for k, level := range res.Levels {
		for i := range d.failed[k] {
			r := &d.failed[k][i]
			p.line("  no exponent at %s for %s: %s", level.Name(), r.Layer.LongName, r.Reason)
		}
	}
}

// skipped counts the tensors that were skipped for each reason.
func (p printer) skipped(tensors []engine.TensorStatus) {
	count := map[string]int{}
	var reasons []string
	for i := range tensors {
		if t := &tensors[i]; t.Status == engine.Skipped {
			if count[t.Reason] == 0 {
				reasons = append(reasons, t.Reason)
			}
			count[t.Reason]++
		}
	}
	for _, r := range reasons {
		p.line("  skipped %d: %s", count[r], r)
	}
}
