package modp

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
)

func BenchmarkRank(b *testing.B) {
	defer cblas.LimitThreads(1)()
	gemm, _ := cblas.Lookup("")
	for _, n := range []int{128, 384, 896, 2048} {
		rng := rand.New(rand.NewPCG(1, 2))
		a, w := make([]float64, n*n), make([]float64, n*n)
		for i := range a {
			a[i] = float64(rng.IntN(P))
		}
		b.Run("n="+strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				copy(w, a)
				Rank(gemm, n, w)
			}
		})
	}
}
