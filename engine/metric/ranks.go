package metric

import "math"

const (
	// entropyEpsilon is added to every probability and to the rank, as WeightWatcher does.
	entropyEpsilon = 1e-10
	// eps is the spacing of float64 numbers at 1, as in the rank tolerance.
	eps = 0x1p-52
	// weakRankTolerance is the eigenvalue below which WeightWatcher counts a
	// weak loss of rank, whatever the scale of the matrix.
	weakRankTolerance = 1e-6
)

var ranks = Metric{
	Columns: []Column{
		{Name: "matrix_rank", Kind: Count, Table: Results, Doc: "Number of singular values above N*2^-52 of the largest, of all matrices of the layer together."},
		{Name: "rank_loss", Kind: Count, Table: Results, Doc: "Number of singular values not above N*2^-52 of the largest of their own matrix."},
		{Name: "weak_rank_loss", Kind: Count, Table: Results, Doc: "Number of eigenvalues below 1e-6."},
		{Name: "entropy", Table: Results, Doc: "Entropy of the eigenvalues as shares of their sum, divided by the logarithm of matrix_rank; there is none for rank 1."},
	},
	Measure: measureRanks,
}

func measureRanks(dst []float64, in *Input) Finding {
	evals := in.Eigenvalues
	n, top := float64(in.N), evals[len(evals)-1]
	norm := 0.0
	rank, loss, weak := 0, 0, 0
	for _, m := range in.Matrices {
		sigma := m.Spectrum.Sigma
		for _, s := range sigma {
			if !(s > sigma[len(sigma)-1]*n*eps) {
				loss++
			}
		}
	}
	for _, l := range evals {
		norm += l
		if l < weakRankTolerance {
			weak++
		}
		if math.Sqrt(l) > math.Sqrt(top)*n*eps {
			rank++
		}
	}
	copy(dst, []float64{float64(rank), float64(loss), float64(weak), entropy(evals, norm, rank)})
	return Finding{}
}

// entropy returns that of the spectrum relative to that of a flat one of the same rank,
// which exists for ranks above 1.
func entropy(evals []float64, norm float64, rank int) float64 {
	if rank < 2 {
		return math.NaN()
	}
	sum := 0.0
	for _, l := range evals {
		p := l/norm + entropyEpsilon
		sum -= p * math.Log(p)
	}
	return sum / math.Log(float64(rank)+entropyEpsilon)
}
