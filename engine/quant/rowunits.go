package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// A RowIntegral quantizer may have dequantized weights that are, row by row, multiples of a
// unit.
type RowIntegral interface {
	Quantizer
	// RowUnits returns the units of all rows, positive numbers whose inverses float32 can
	// hold. Every dequantized weight is an integer multiple, of magnitude up to largest, of
	// the unit of its row; ok is false if there are no such units, or largest would be above
	// limit. The dequantized weight divided by the unit, rounded to the nearest integer,
	// gives the multiple. As with [Integral], where weights are stored in F32 or F64 the
	// multiple is the code and the unit the scale, although their product, rounded to
	// float32, differs from the exact one by up to 1.2e-7 of it.
	RowUnits(limit int) (units []float64, largest int, ok bool)
}

// An integral rule has values that are integers times a number.
type integral interface {
	rule
	// unit returns that number for a group, and the type that products with it are rounded to.
	unit(g params, a arithmetic) (unit float64, rounded kernel.Type)
}

func (plainInt) unit(g params, _ arithmetic) (float64, kernel.Type) {
	return float64(g.Scale), kernel.F32
}

func (gptqInt) unit(g params, _ arithmetic) (float64, kernel.Type) {
	return float64(g.Scale), kernel.F32
}

func (ctInt) unit(g params, a arithmetic) (float64, kernel.Type) { return float64(g.Scale), a.kernel() }

func (quantoInt8) unit(g params, a arithmetic) (float64, kernel.Type) {
	return float64(g.Scale), a.kernel()
}

func (torchaoInt8) unit(g params, _ arithmetic) (float64, kernel.Type) {
	return float64(g.Scale), kernel.F32
}

func (torchaoInt) unit(g params, a arithmetic) (float64, kernel.Type) {
	return float64(g.Scale), a.kernel()
}

func (bnbInt8) unit(g params, _ arithmetic) (float64, kernel.Type) {
	return float64(g.Scale) * float64(float32(inverse127)), kernel.F32
}

// grid describes the numbers of a type: those of magnitudes from 2^e to 2^(e+1) lie
// 2^(e-mantissa) apart, but none closer than 2^closest.
type grid struct{ mantissa, closest int }

// narrowed returns a grid on which values lie that are rounded to both types.
func narrowed(a, b grid) grid {
	return grid{min(a.mantissa, b.mantissa), max(a.closest, b.closest)}
}

var grids = map[kernel.Type]grid{kernel.F32: {23, -149}, kernel.BF16: {7, -133}, kernel.F16: {10, -24}}

// spacing returns the distance of the numbers of the grid at x, one of them.
func (g grid) spacing(x float64) float64 {
	e := g.closest
	if x != 0 {
		e = max(e, math.Ilogb(x)-g.mantissa)
	}
	return math.Ldexp(1, e)
}

// RowUnits returns the scales, if products with codes are rounded to float32 only. If they are
// rounded to a narrower type, it returns the distance of the numbers of that type at the value of
// code 1, of which all larger numbers of the type are multiples, too.
func (q *blockQuantizer) RowUnits(limit int) (units []float64, largest int, ok bool) {
	rule, ok := q.scheme.rule.(integral)
	if !ok || len(q.ends) == 0 {
		return nil, 0, false
	}
	// The largest magnitude of a row is at an end of its range.
	values, weights := make([]float32, 2*len(q.ends)), make([]float32, 2*len(q.ends))
	for i, r := range q.ends {
		weights[2*i], weights[2*i+1] = r.Min, r.Max
	}
	rule.apply(values, weights, 2, q.groups, q.scheme.in)
	q.out.Round(values)
	stored := arithmetic(q.out).kernel()
	units = make([]float64, len(q.groups))
	for i, g := range q.groups {
		most := math.Abs(float64(max(values[2*i], -values[2*i], values[2*i+1], -values[2*i+1])))
		if most == 0 {
			units[i] = 1
			continue
		}
		unit, rounded := rule.unit(g, q.scheme.in)
		if !exact(q.out) || rounded != kernel.F32 {
			first := float64(stored.Round(rounded.Round(float32(unit))))
			unit = narrowed(grids[stored], grids[rounded]).spacing(first)
		}
		n := math.RoundToEven(most / unit)
		if unit < 0x1p-126 || n > float64(limit) {
			return nil, 0, false
		}
		units[i], largest = unit, max(largest, int(n))
	}
	return units, max(largest, 1), true
}
