package spectrum

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
)

// scaledRows is a matrix of integers with a unit for each row.
type scaledRows struct {
	rows, cols int
	q          []int16
	units      []float64
	max        int
}

func (m scaledRows) Dims() (rows, cols int)       { return m.rows, m.cols }
func (scaledRows) Align() int                     { return 1 }
func (m scaledRows) Units() []float64             { return m.units }
func (m scaledRows) Max() int                     { return m.max }
func (scaledRows) Panel([]float32, int, int)      { panic("the integers are read") }
func (m scaledRows) at(i, j int) int64            { return int64(m.q[i*m.cols+j]) }
func (m scaledRows) dequantized(i, j int) float64 { return float64(m.at(i, j)) * m.units[i] }

func (m scaledRows) Panel8(dst []int8, first, count int, squares []float64) {
	fillRows(m, dst, first, count, squares)
}

func (m scaledRows) Panel16(dst []int16, first, count int, squares []float64) {
	fillRows(m, dst, first, count, squares)
}

func fillRows[T int8 | int16](m scaledRows, dst []T, first, count int, squares []float64) {
	for i := range m.rows {
		for j := range count {
			v := m.q[i*m.cols+first+j]
			dst[i*count+j] = T(v)
			squares[i] += float64(v) * float64(v)
		}
	}
}

// float64s returns the same matrix in float64.
func (m scaledRows) float64s() Matrix {
	return wide{Dense{Rows: m.rows, Cols: m.cols}, func(dst []float64, first, count int) {
		tall := m.rows >= m.cols
		for n := range dst {
			i, j := 0, 0
			if tall {
				i, j = first+n/m.cols, n%m.cols
			} else {
				i, j = n/count, first+n%count
			}
			dst[n] = m.dequantized(i, j)
		}
	}}
}

// newScaledRows returns a matrix with integers up to top and units that are powers of two or not.
// Every fifth row, from the third on, is zero, and the unit of the first of those is 1.
func newScaledRows(rows, cols, top int, powers bool) scaledRows {
	g := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
	m := scaledRows{rows: rows, cols: cols, q: make([]int16, rows*cols), units: make([]float64, rows), max: top}
	for i := range rows {
		m.units[i] = math.Ldexp(1, -6-g.IntN(8))
		if !powers {
			m.units[i] = float64(float32(m.units[i] * (1 + g.Float64())))
		}
		if i%5 == 2 {
			continue
		}
		for j := range cols {
			m.q[i*cols+j] = int16(g.IntN(2*top+1) - top)
		}
	}
	return m
}

// wideShapes are those that units of rows are for: ragged, of several panels, of one row and
// square.
var wideShapes = [][2]int{{1, 1}, {1, 700}, {7, 9}, {33, 33}, {64, 64}, {50, 1501}, {110, 2100}, {130, 133}}

// TestRowUnitsExact: elements of the Gram matrix are the exact sums of integers times two units,
// rounded twice, and not at all where units are powers of two.
func TestRowUnitsExact(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for name, s := range solvers(t) {
		for _, d := range wideShapes {
			for _, top := range []int{7, 127, 32767} {
				for _, powers := range []bool{true, false} {
					where := fmt.Sprintf("%s %v, to %d, powers %v", name, d, top, powers)
					m := newScaledRows(d[0], d[1], top, powers)
					g := s.gram(&Workspace{}, m)
					r, trace := len(g.live), new(big.Float).SetPrec(200)
					for i, a := range g.live {
						for j := i; j < r; j++ {
							b := g.live[j]
							sum := int64(0) // below 2^42
							for l := range m.cols {
								sum += m.at(a, l) * m.at(b, l)
							}
							want := new(big.Float).SetPrec(200).SetInt64(sum)
							want.Mul(want, big.NewFloat(m.units[a])).Mul(want, big.NewFloat(m.units[b]))
							if i == j {
								trace.Add(trace, want)
							}
							got := big.NewFloat(g.a[i*r+j])
							e, _ := new(big.Float).Sub(want, got).Float64()
							if w, _ := want.Float64(); powers && e != 0 || math.Abs(e) > 0x1p-52*math.Abs(w) {
								t.Fatalf("%s: element %d, %d is %v, want %v", where, a, b, got, want)
							}
						}
					}
					if g.unit2 != 1 {
						t.Errorf("%s: another factor %g", where, g.unit2)
					}
					if w, _ := trace.Float64(); math.Abs(g.frobenius2-w) > 1e-14*w {
						t.Errorf("%s: the sum of squares is %v, want %v", where, g.frobenius2, w)
					}
				}
			}
		}
	}
}

// TestRowUnits: the spectrum is that of the same matrix in float64, to 1e-12 of every eigenvalue
// above rounding, which is 1e-13 of the largest, times the smaller side of it.
func TestRowUnits(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for name, s := range solvers(t) {
		for _, d := range wideShapes {
			for _, top := range []int{1, 127, 128, 32767} {
				where := fmt.Sprintf("%s %v, to %d", name, d, top)
				m := newScaledRows(d[0], d[1], top, false)
				want, err := s.Compute(&Workspace{}, m.float64s())
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.Compute(&Workspace{}, m)
				if err != nil {
					t.Fatal(err)
				}
				most := want.Lambda[d[0]-1]
				for i, l := range want.Lambda {
					if e := math.Abs(got.Lambda[i] - l); e > 1e-12*l+1e-14*float64(d[0])*most {
						t.Errorf("%s: eigenvalue %d is %v, want %v", where, i, got.Lambda[i], l)
					}
				}
				single := *s
				single.Precision = Single
				if got, err = single.Compute(&Workspace{}, m); err != nil {
					t.Fatal(err)
				}
				for i, l := range want.Lambda {
					if e := math.Abs(got.Lambda[i] - l); e > got.Error+1e-12*l+1e-14*float64(d[0])*most {
						t.Errorf("%s in float32: eigenvalue %d is %v, want %v", where, i, got.Lambda[i], l)
					}
				}
			}
		}
	}
}

// TestRowUnitsRank: rows that depend on others are exact zeros, and singular values between
// those and rounding are computed themselves.
func TestRowUnitsRank(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for name, s := range solvers(t) {
		low := newScaledRows(60, 900, 100, false)
		for i := 40; i < 60; i++ { // a multiple of another row, with another unit
			for j := range low.cols {
				low.q[i*low.cols+j] = low.q[(i-40)*low.cols+j]
			}
		}
		got, err := s.Compute(&Workspace{}, low)
		if err != nil {
			t.Fatal(err)
		}
		if zeros := 60 - rank(got.Sigma, 60, 900); got.Method != GramRank || zeros != 28 || got.Lambda[27] != 0 || got.Lambda[28] == 0 {
			t.Errorf("%s: %d zeros by %s, want 28", name, zeros, got.Method)
		}
		w := chained(40, 3000, 40)
		m := scaledRows{rows: 40, cols: 3000, q: make([]int16, len(w)), units: make([]float64, 40), max: 200}
		scaled := make([]float32, len(w))
		for i := range m.units {
			m.units[i] = float64(float32(1+i%3) / 4)
		}
		for i, v := range w {
			m.q[i] = int16(v)
			scaled[i] = v * float32(m.units[i/m.cols])
		}
		want := svd(scaled, 40, 3000)
		got, err = s.Compute(&Workspace{}, m)
		if err != nil {
			t.Fatal(err)
		}
		if got.Method != SVD {
			t.Errorf("%s: by %s", name, got.Method)
		}
		for i := range want {
			if e := math.Abs(got.Sigma[i] - want[i]); !(e <= 1e-12*want[39]) {
				t.Errorf("%s: singular value %d = %v, want %v", name, i, got.Sigma[i], want[i])
			}
		}
	}
}

// TestRowUnitsTall: units of rows are for matrices that are not tall.
func TestRowUnitsTall(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a tall matrix was taken")
		}
	}()
	for _, s := range solvers(t) {
		_, _ = s.Compute(&Workspace{}, newScaledRows(9, 7, 100, true))
	}
}
