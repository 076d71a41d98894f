package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// Errors say how far the dequantized weights of a tensor are from the original
// ones. All are computed in float64 from the stored values of both.
type Errors struct {
	Unique   int     // different dequantized values, both zeros as one
	MSE      float64 // mean of squared errors
	MAE      float64 // mean of absolute errors
	MaxAbs   float64 // largest absolute error
	SNR      float64 // 10 log10(sum w^2 / sum e^2) in dB; +Inf without error
	Relative float64 // sum |e| / sum |w|; 0 for a zero tensor
}

// An ErrorMeter collects the errors of one tensor, part by part. It is not safe
// for concurrent use; the zero value is not usable.
type ErrorMeter struct {
	q     *Quantizer
	sums  kernel.ErrorSums
	n     int64
	seen  []byte // by code; at fp16 by the bits of the float16 number
	codes []uint16
	exact map[float32]struct{} // the values of a tensor that stays as it is
}

// NewErrorMeter returns a meter of q's errors. It allocates 64 KiB and grows a
// buffer of two bytes for each element of the largest part.
func NewErrorMeter(q *Quantizer) *ErrorMeter {
	return &ErrorMeter{q: q, seen: make([]byte, 1<<16)}
}

// Add takes in a part: the original weights and the dequantized ones.
func (m *ErrorMeter) Add(original, dequantized []float32) {
	m.sums = m.sums.Add(kernel.SumErrors(original, dequantized))
	m.n += int64(len(original))
	q := m.q
	switch {
	case q.constant && q.level.Scheme != CastF16:
		// One value, or values that all stay.
		m.addExact(dequantized)
		return
	case cap(m.codes) < len(original):
		m.codes = make([]uint16, len(original))
	}
	codes := m.codes[:len(original)]
	switch q.level.Scheme {
	case CastF16:
		kernel.CodesF16(codes, dequantized)
	case Symmetric:
		kernel.CodesSymmetric(codes, original, q.sym)
	case Asymmetric:
		kernel.CodesAsymmetric(codes, original, q.asym)
	}
	kernel.Mark(m.seen, codes)
}

func (m *ErrorMeter) addExact(x []float32) {
	if m.exact == nil {
		m.exact = map[float32]struct{}{}
	}
	for i, v := range x {
		if i == 0 || v != x[i-1] {
			m.exact[v] = struct{}{}
		}
	}
}

// Errors returns the errors of all parts so far.
func (m *ErrorMeter) Errors() Errors {
	e := Errors{Unique: m.unique(), MaxAbs: m.sums.Max, SNR: math.Inf(1)}
	if m.n == 0 {
		return e
	}
	e.MSE = m.sums.Square / float64(m.n)
	e.MAE = m.sums.Abs / float64(m.n)
	if m.sums.Square > 0 {
		e.SNR = 10 * math.Log10(m.sums.Signal/m.sums.Square)
		e.Relative = m.sums.Abs / m.sums.Weight
	}
	return e
}

// unique counts the values that the codes seen stand for, after rounding to the
// stored type: two codes may stand for one value.
func (m *ErrorMeter) unique() int {
	if m.exact != nil {
		return len(m.exact)
	}
	var values []float32
	q := m.q
	for c, s := range m.seen {
		if s == 0 {
			continue
		}
		switch q.level.Scheme {
		case CastF16:
			values = append(values, f16Value(uint16(c)))
		case Symmetric:
			values = append(values, (float32(c)-q.sym.QMax)*q.sym.Scale)
		case Asymmetric:
			values = append(values, float32(float32(c)*q.asym.Scale)+q.asym.Min)
		}
	}
	Round(values, q.out)
	set := make(map[float32]struct{}, len(values))
	for _, v := range values {
		set[v] = struct{}{}
	}
	return len(set)
}

func f16Value(b uint16) float32 {
	var v [1]float32
	checkpoint.DecodeF32(v[:], []byte{byte(b), byte(b >> 8)}, checkpoint.F16)
	return v[0]
}
