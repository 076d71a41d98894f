package spectrum

import (
	"sync"
	"sync/atomic"

	"github.com/wwq-fast/wwq-fast/lapack"
)

// Cores are those of the process that have no work of their own.
type Cores interface {
	// Acquire returns how many of them, up to most, the caller may use until it
	// releases them.
	Acquire(most int) int
	Release(n int)
}

// withCores calls f with the number of threads that it may run: one, and as many of
// the cores without work as there are, up to most threads together.
func (s *Solver) withCores(most int, f func(threads int)) {
	extra := 0
	if s.Cores != nil && most > 1 {
		extra = s.Cores.Acquire(most - 1)
		defer s.Cores.Release(extra)
	}
	f(1 + extra)
}

// parallel calls f for 0 to n-1 on the given number of threads.
func parallel(n, threads int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(i)
		}
	}
	var others sync.WaitGroup
	for range min(n, threads) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// solverRows is how many rows of a matrix make it worth one more core.
const solverRows = 512

// symEigenvalues overwrites w with the eigenvalues of the n×n matrix a on as many cores
// as may be had. intact says whether a still holds the matrix.
func (s *Solver) symEigenvalues(n int, a, w []float64) (intact bool, err error) {
	threaded, ok := s.LAPACK.(lapack.Threaded)
	if !ok {
		return s.LAPACK.SymEigenvalues(n, a, n, w)
	}
	s.withCores(n/solverRows, func(threads int) { intact, err = threaded.SymEigenvaluesOn(threads, n, a, n, w) })
	return intact, err
}

// symEigenvalues32 is symEigenvalues in float32, for a matrix that is not needed again.
func (s *Solver) symEigenvalues32(n int, a, w []float32) (err error) {
	threaded, ok := s.LAPACK.(lapack.Threaded)
	if !ok {
		_, err = s.LAPACK.SymEigenvalues32(n, a, n, w)
		return err
	}
	s.withCores(n/solverRows, func(threads int) { _, err = threaded.SymEigenvalues32On(threads, n, a, n, w) })
	return err
}
