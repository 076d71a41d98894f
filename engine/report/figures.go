package report

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// histogramBins is the number of bins that all levels share.
const histogramBins = 30

// alphaDistributions draws one histogram a level over common bins. The range ends
// at the largest exponent that is no outlier of its level; what lies beyond is
// counted in the note.
func alphaDistributions(d *plotData) ([][]*plot.Plot, error) {
	b := d.bins()
	top := 1.0
	counts := make([][]float64, len(d.levels))
	for i := range d.levels {
		counts[i] = b.count(d.levels[i].alphas())
		top = max(top, slices.Max(counts[i]))
	}
	cols := 2
	if len(d.levels) > 4 {
		cols = 3
	}
	if len(d.levels) > 9 {
		cols = 4
	}
	if len(d.levels) == 1 {
		cols = 1
	}
	rows, most := (len(d.levels)+cols-1)/cols, 0
	panels := make([][]*plot.Plot, rows)
	for r := range panels {
		panels[r] = make([]*plot.Plot, cols)
	}
	for i := range d.levels {
		s := &d.summaries[i]
		y := ""
		if i%cols == 0 {
			y = "layers"
		}
		p := newPlot(quant.Label(s.Level), "alpha", y)
		p.Y.Tick.Marker = niceTicks{whole: true}
		p.Add(band{vertical: true})
		beyond := len(d.levels[i].alphas())
		for _, n := range counts[i] {
			beyond -= int(n)
		}
		h := &plotter.Histogram{Bins: b.bars(counts[i]), Width: b.width, FillColor: d.color(i), LineStyle: stroke(darkGrey, 0.3)}
		p.Add(h, line{at: s.Mean, vertical: true, top: top * 1.05, style: stroke(darkGrey, 1, 4, 3)})
		lines := describe(s, beyond)
		most = max(most, len(lines))
		p.Add(note{lines})
		if b.log {
			p.X.Label.Text += logSuffix
			p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, logTicks{few: true}
		}
		p.X.Min, p.X.Max = b.edge(0), b.edge(histogramBins)
		panels[i/cols][i%cols] = p
	}
	for i := range d.levels {
		// Above the bars there is room for the longest note; panels are lower the more
		// rows there are.
		p := panels[i/cols][i%cols]
		p.Y.Min, p.Y.Max = 0, top*(1.15+0.07*float64(most*max(rows, 2)))
	}
	return panels, nil
}

// describe returns the lines of text in the histogram of a level.
func describe(s *stats.Summary, beyond int) []string {
	lines := []string{
		fmt.Sprintf("mean %.2f (dashed), sd %.2f", s.Mean, s.Std),
		fmt.Sprintf("median %.2f", s.Median),
		fmt.Sprintf("%d of %d in 2-6 (shaded)", s.Optimal, s.Layers-s.Unquantized),
	}
	switch {
	case math.IsNaN(s.Mean):
		lines = []string{"no exponent"}
	case math.IsInf(s.Mean, 0):
		lines[0] = "mean infinite"
	case math.IsNaN(s.Std):
		lines[0] = fmt.Sprintf("mean %.2f (dashed)", s.Mean)
	}
	if s.Failed > 0 {
		lines = append(lines, fmt.Sprintf("%d without exponent", s.Failed))
	}
	if beyond > 0 {
		lines = append(lines, fmt.Sprintf("%d beyond the axis, up to %.1f", beyond, s.Max))
	}
	return lines
}

// bins are the bins of histograms: of equal width, or with logarithmic edges.
type bins struct {
	low, width float64 // of logarithms, if log
	log        bool
}

// bins returns bins for the exponents of all levels.
func (d *plotData) bins() bins {
	lo, hi := math.Inf(1), math.Inf(-1)
	groups := make([][]float64, len(d.levels))
	for i := range d.levels {
		s := &d.summaries[i]
		for _, a := range d.levels[i].alphas() {
			lo = min(lo, a)
			if a <= s.Median+6*s.Std {
				hi = max(hi, a)
				groups[i] = append(groups[i], a)
			}
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	lo, hi = min(lo, 1), max(hi, engine.OptimalHigh+0.5)
	if logarithmic(&plot.Axis{}, groups...) {
		lo, hi = math.Log(lo), math.Log(hi)
		return bins{lo, (hi - lo) / histogramBins, true}
	}
	return bins{lo, (hi - lo) / histogramBins, false}
}

// edge returns where bin k begins.
func (b bins) edge(k int) float64 {
	x := b.low + float64(k)*b.width
	if b.log {
		return math.Exp(x)
	}
	return x
}

// count returns how many numbers lie in each bin. What lies beyond is not counted.
func (b bins) count(x []float64) []float64 {
	counts := make([]float64, histogramBins)
	for _, a := range x {
		if b.log {
			a = math.Log(a)
		}
		// Rounding may put the last edge a little below the largest number.
		if k := (a - b.low) / b.width; k >= 0 && k <= histogramBins+1e-9 {
			counts[min(int(k), histogramBins-1)]++
		}
	}
	return counts
}

// bars returns the bars of a histogram: as many as there are counts, from lo upwards.
func bars(counts []float64, lo, width float64) []plotter.HistogramBin {
	b := make([]plotter.HistogramBin, len(counts))
	for k, n := range counts {
		b[k] = plotter.HistogramBin{Min: lo + float64(k)*width, Max: lo + float64(k+1)*width, Weight: n}
	}
	return b
}

// bars returns the bars of a histogram over the bins.
func (b bins) bars(counts []float64) []plotter.HistogramBin {
	all := bars(counts, b.low, b.width)
	for k := range all {
		if b.log {
			all[k].Min, all[k].Max = math.Exp(all[k].Min), math.Exp(all[k].Max)
		}
	}
	return all
}

// alphaBoxes draws a box plot a level, with the mean as a diamond.
func alphaBoxes(d *plotData) ([][]*plot.Plot, error) {
	p := newPlot("alpha by quantization level", "", "alpha")
	p.Add(band{})
	if err := d.boxes(p, "alpha"); err != nil {
		return nil, err
	}
	means := make(plotter.XYs, 0, len(d.summaries))
	for i := range d.summaries {
		if m := d.summaries[i].Mean; !math.IsNaN(m) && !math.IsInf(m, 0) {
			means = append(means, plotter.XY{X: float64(i), Y: m})
		}
	}
	if len(means) > 0 {
		sc, err := plotter.NewScatter(means)
		if err != nil {
			return nil, err
		}
		sc.GlyphStyle = draw.GlyphStyle{Color: darkGrey, Radius: 4, Shape: diamond{}}
		p.Add(sc)
		p.Legend.Add("mean", sc)
	}
	p.Legend.Add("2 to 6", band{})
	widen(&p.Y)
	return [][]*plot.Plot{{p}}, nil
}

// boxes adds a box plot of one column for each level.
func (d *plotData) boxes(p *plot.Plot, column string) error {
	d.nameLevels(p)
	groups := make([][]float64, len(d.levels))
	for i := range d.levels {
		groups[i] = finite(stats.Values(d.levels[i].counted, column))
		if len(groups[i]) == 0 {
			continue
		}
		b, err := plotter.NewBoxPlot(vg.Points(30), float64(i), plotter.Values(groups[i]))
		if err != nil {
			return err
		}
		b.FillColor = faded(d.color(i), 0x90)
		b.GlyphStyle.Radius = 2
		b.Outside = apart(b.Outside, b.Values)
		p.Add(b)
	}
	if column == "alpha" { // norms are logarithms
		logarithmic(&p.Y, groups...)
	}
	p.X.Min, p.X.Max = -0.6, float64(len(d.levels))-0.4
	return nil
}

// apart returns those of the values with these indices that can be told from each other in
// a picture: of more than a few hundred many lie on others.
func apart(indices []int, values plotter.Values) []int {
	const most = 300
	if len(indices) <= most {
		return indices
	}
	sorted := slices.SortedFunc(slices.Values(indices), func(i, j int) int { return cmp.Compare(values[i], values[j]) })
	low, high := values[sorted[0]], values[sorted[len(sorted)-1]]
	kept := sorted[:1]
	for k, i := range sorted {
		if values[i]-values[kept[len(kept)-1]] >= (high-low)/most || k == len(sorted)-1 {
			kept = append(kept, i)
		}
	}
	return kept
}

// alphaStatistics draws four numbers of each level.
func alphaStatistics(d *plotData) ([][]*plot.Plot, error) {
	n := len(d.summaries)
	mean := newPlot("mean alpha (dashed: 4, the middle of 2 to 6)", "", "alpha")
	std := newPlot("standard deviation of alpha", "", "alpha")
	share := newPlot("layers with alpha in 2 to 6 (no measure of quality)", "", "percent")
	span := newPlot("smallest, median and largest alpha", "", "alpha")
	mean.Add(line{at: 4, style: stroke(darkGrey, 0.8, 4, 3)})
	span.Add(band{})
	var medians plotter.XYs
	for _, p := range []*plot.Plot{mean, std, share, span} {
		d.nameLevels(p)
	}
	for i := range d.summaries {
		s := &d.summaries[i]
		c := d.color(i)
		for _, b := range []struct {
			p      *plot.Plot
			v      float64
			format string
		}{
			{mean, s.Mean, "%.2f"},
			{std, s.Std, "%.2f"},
			{share, 100 * float64(s.Optimal) / float64(max(s.Layers-s.Unquantized, 1)), "%.0f %%"},
		} {
			text := fmt.Sprintf(b.format, b.v)
			switch {
			case math.IsNaN(b.v):
				text = "none"
			case math.IsInf(b.v, 0):
				text = "infinite"
			}
			b.p.Add(&bar{float64(i), b.v, c, text})
		}
		// Infinite exponents cannot be drawn.
		if v := d.levels[i].alphas(); len(v) > 0 && !math.IsInf(s.Median, 0) {
			l, err := plotter.NewLine(plotter.XYs{{X: float64(i), Y: slices.Min(v)}, {X: float64(i), Y: slices.Max(v)}})
			if err != nil {
				return nil, err
			}
			l.LineStyle = stroke(c, 5)
			span.Add(l)
			medians = append(medians, plotter.XY{X: float64(i), Y: s.Median})
		}
	}
	if len(medians) > 0 {
		sc, err := plotter.NewScatter(medians)
		if err != nil {
			return nil, err
		}
		sc.GlyphStyle = draw.GlyphStyle{Color: darkGrey, Radius: 4, Shape: diamond{}}
		span.Add(sc)
	}
	means, stds, spans := make([][]float64, n), make([][]float64, n), make([][]float64, n)
	for i := range d.summaries {
		s := &d.summaries[i]
		means[i], stds[i], spans[i] = []float64{s.Mean}, []float64{s.Std}, d.levels[i].alphas()
	}
	for _, p := range []struct {
		*plot.Plot
		log bool
	}{{mean, logarithmic(&mean.Y, means...)}, {std, logarithmic(&std.Y, stds...)}, {share, false}, {span, logarithmic(&span.Y, spans...)}} {
		p.X.Min, p.X.Max = -0.6, float64(n)-0.4
		switch {
		case p.log:
			settle(&p.Y)
			p.Y.Min, p.Y.Max = p.Y.Min/1.5, p.Y.Max*2
		case p.Plot == span:
			widen(&p.Y)
		default:
			settle(&p.Y)
			p.Y.Min = min(p.Y.Min, 0)
			p.Y.Max = max(p.Y.Min+(p.Y.Max-p.Y.Min)*1.15, 0.1)
		}
	}
	mean.Y.Max = max(mean.Y.Max, 4.6)
	return [][]*plot.Plot{{mean, std}, {share, span}}, nil
}

// normComparison draws both norms of each level. WeightWatcher's log_norm is the
// squared Frobenius norm, log_spectral_norm the squared 2-norm.
func normComparison(d *plotData) ([][]*plot.Plot, error) {
	frob := newPlot("Frobenius norm", "", "log10 of squared Frobenius norm (log_norm)")
	spec := newPlot("spectral norm", "", "log10 of largest eigenvalue (log_spectral_norm)")
	if err := d.boxes(frob, "log_norm"); err != nil {
		return nil, err
	}
	if err := d.boxes(spec, "log_spectral_norm"); err != nil {
		return nil, err
	}
	widen(&frob.Y)
	widen(&spec.Y)
	return [][]*plot.Plot{{frob, spec}}, nil
}

// widen adds some room at both ends of an axis.
func widen(a *plot.Axis) {
	settle(a)
	if _, log := a.Scale.(plot.LogScale); log {
		a.Min, a.Max = a.Min/1.2, a.Max*1.2
		return
	}
	room := (a.Max - a.Min) / 20
	a.Min, a.Max = a.Min-room, a.Max+room
}

// bar is a bar from the axis to a value, with the value above it.
type bar struct {
	x, v  float64
	color color.Color
	label string
}

// barWidth is the width of bars.
const barWidth = 26

func (b *bar) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	x, floor := tx(b.x), c.Min.Y
	if _, log := p.Y.Scale.(plot.LogScale); !log {
		floor = max(floor, ty(0))
	}
	y := floor
	if b.drawn() {
		y = ty(b.v)
		rectangle(c, b.color, x-barWidth/2, x+barWidth/2, floor, y)
	}
	sty := p.X.Tick.Label
	sty.XAlign, sty.YAlign, sty.Rotation = draw.XCenter, draw.YBottom, 0
	y = max(y, floor) + 2
	// A line behind the number would strike it out.
	w := sty.Width(b.label) / 2
	rectangle(c, color.White, x-w, x+w, y, y+sty.Font.Size*0.8)
	c.FillText(sty, vg.Point{X: x, Y: y}, b.label)
}

// rectangle fills a rectangle.
func rectangle(c draw.Canvas, fill color.Color, x0, x1, y0, y1 vg.Length) {
	c.FillPolygon(fill, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
}

// drawn reports whether the value can be drawn.
func (b *bar) drawn() bool { return !math.IsNaN(b.v) && !math.IsInf(b.v, 0) }

// DataRange returns the range of the bar, for the axes.
func (b *bar) DataRange() (xmin, xmax, ymin, ymax float64) {
	if !b.drawn() {
		return b.x, b.x, math.Inf(1), math.Inf(-1)
	}
	return b.x, b.x, b.v, b.v
}

// diamond is a filled rhombus.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	r := sty.Radius
	c.FillPolygon(sty.Color, []vg.Point{{X: pt.X - r, Y: pt.Y}, {X: pt.X, Y: pt.Y + r}, {X: pt.X + r, Y: pt.Y}, {X: pt.X, Y: pt.Y - r}})
}
