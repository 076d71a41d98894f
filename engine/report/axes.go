package report

import (
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
)

// settle gives an axis without data a range: the search for tick marks never ends
// on one that is empty or not finite.
func settle(a *plot.Axis) {
	width := a.Max - a.Min
	_, log := a.Scale.(plot.LogScale)
	switch {
	case math.IsNaN(width) || math.IsInf(width, 0) || width < 0:
		a.Min, a.Max = 0, 1
		a.Scale = plot.LinearScale{}
	case width == 0 && log:
		a.Min, a.Max = a.Min/1.5, a.Max*1.5
	case width == 0:
		a.Min, a.Max = a.Min-0.5, a.Max+0.5
	}
}

// flattening is by how much the largest number exceeds a typical one if an axis that holds
// both shows nothing of the others.
const flattening = 12

// logarithmic makes an axis logarithmic if the largest of the groups of numbers that it
// shows would flatten the others, and all are positive. It reports whether it did.
func logarithmic(a *plot.Axis, groups ...[]float64) bool {
	low, high := math.Inf(1), math.Inf(-1)
	var medians []float64
	for _, g := range groups {
		g = finite(g)
		if len(g) == 0 {
			continue
		}
		slices.Sort(g)
		low, high = min(low, g[0]), max(high, g[len(g)-1])
		medians = append(medians, g[len(g)/2])
	}
	if len(medians) == 0 || low <= 0 {
		return false
	}
	slices.Sort(medians)
	if high < flattening*medians[(len(medians)-1)/2] {
		return false
	}
	a.Label.Text += logSuffix
	a.Scale, a.Tick.Marker = plot.LogScale{}, logTicks{}
	return true
}

// logSuffix follows the label of a logarithmic axis.
const logSuffix = " (logarithmic)"

// niceTicks are marks at multiples of 1, 2 or 5 times a power of ten, all with labels.
type niceTicks struct {
	whole bool // numbers only
}

// mostTicks is the largest number of marks of an axis.
const mostTicks = 8

// Ticks returns the marks between low and high.
func (n niceTicks) Ticks(low, high float64) []plot.Tick {
	width := high - low
	if !(width > 0) || math.IsInf(width, 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(width/mostTicks)))
	for _, f := range []float64{2, 2.5, 2} {
		if width/step > mostTicks {
			step *= f
		}
	}
	if n.whole {
		step = math.Ceil(step)
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var ticks []plot.Tick
	for k := math.Ceil(low/step - 1e-9); k*step <= high+1e-9*width; k++ {
		ticks = append(ticks, plot.Tick{Value: k * step, Label: label(k*step, decimals)})
	}
	return ticks
}

// label formats the number of a mark.
func label(x float64, decimals int) string {
	if math.Abs(x) >= 1e6 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	return strconv.FormatFloat(x+0, 'f', decimals, 64) // no -0
}

// logTicks are marks at powers of ten, and at 2 and 5 times them if there is room.
type logTicks struct {
	few bool // on a short axis
}

// Ticks returns the marks between low and high.
func (l logTicks) Ticks(low, high float64) []plot.Tick {
	if !(low > 0) || !(high > low) || math.IsInf(high, 0) {
		return nil
	}
	decades := math.Log10(high / low)
	between := []float64{1}
	if decades < mostTicks/2 && !l.few || decades < 1.5 {
		between = []float64{1, 2, 5}
	}
	every := max(1, int(math.Ceil(decades/mostTicks)))
	var ticks []plot.Tick
	for e := int(math.Floor(math.Log10(low))); e <= int(math.Ceil(math.Log10(high))); e++ {
		for _, f := range between {
			x := f * math.Pow(10, float64(e))
			if x < low*(1-1e-9) || x > high*(1+1e-9) {
				continue
			}
			t := plot.Tick{Value: x}
			if e%every == 0 {
				t.Label = label(x, max(0, -e))
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}
