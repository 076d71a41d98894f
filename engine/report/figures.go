package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// histogramBins is the number of bins that all levels share.
const histogramBins = 30

// alphaDistributions draws one histogram a level over common bins. The range ends
// at the largest exponent that is no outlier of its level; what lies beyond is
// counted in the note.
func alphaDistributions(d *plotData) ([][]*plot.Plot, error) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for i := range d.tables {
		s := &d.summaries[i]
		for _, a := range d.tables[i].alphas() {
			lo = min(lo, a)
			if a <= s.Median+6*s.Std {
				hi = max(hi, a)
			}
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	lo, hi = min(lo, 1), max(hi, OptimalHigh+0.5)
	width := (hi - lo) / histogramBins
	top := 1.0
	counts := make([][]float64, len(d.tables))
	for i := range d.tables {
		counts[i] = make([]float64, histogramBins)
		for _, a := range d.tables[i].alphas() {
			if k := int((a - lo) / width); k >= 0 && a <= hi {
				k = min(k, histogramBins-1)
				counts[i][k]++
				top = max(top, counts[i][k])
			}
		}
	}
	cols := 2
	if len(d.tables) > 4 {
		cols = 3
	}
	if len(d.tables) > 9 {
		cols = 4
	}
	if len(d.tables) == 1 {
		cols = 1
	}
	rows := (len(d.tables) + cols - 1) / cols
	panels := make([][]*plot.Plot, rows)
	for r := range panels {
		panels[r] = make([]*plot.Plot, cols)
	}
	for i := range d.tables {
		s := &d.summaries[i]
		y := ""
		if i%cols == 0 {
			y = "layers"
		}
		p := newPlot(s.Level.String(), "alpha", y)
		p.Add(band{vertical: true})
		beyond := len(d.tables[i].alphas())
		for _, n := range counts[i] {
			beyond -= int(n)
		}
		h := &plotter.Histogram{Bins: bars(counts[i], lo, width), Width: width, FillColor: levelColor(i, len(d.tables)), LineStyle: stroke(darkGrey, 0.3)}
		p.Add(h, line{at: s.Mean, vertical: true, style: stroke(darkGrey, 1, 4, 3)})
		lines := []string{
			fmt.Sprintf("mean %.2f (dashed), sd %.2f", s.Mean, s.Std),
			fmt.Sprintf("median %.2f", s.Median),
			fmt.Sprintf("%d of %d in 2-6 (shaded)", s.Optimal, s.Layers),
		}
		if s.Failed > 0 {
			lines = append(lines, fmt.Sprintf("%d without exponent", s.Failed))
		}
		if beyond > 0 {
			lines = append(lines, fmt.Sprintf("%d beyond the axis, up to %.1f", beyond, s.Max))
		}
		p.Add(note{lines})
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lo, hi, 0, top*1.45
		panels[i/cols][i%cols] = p
	}
	return panels, nil
}

// bars returns the bars of a histogram: as many as there are counts, from lo upwards.
func bars(counts []float64, lo, width float64) []plotter.HistogramBin {
	b := make([]plotter.HistogramBin, len(counts))
	for k, n := range counts {
		b[k] = plotter.HistogramBin{Min: lo + float64(k)*width, Max: lo + float64(k+1)*width, Weight: n}
	}
	return b
}

// alphaBoxes draws a box plot a level, with the mean as a diamond.
func alphaBoxes(d *plotData) ([][]*plot.Plot, error) {
	p := newPlot("alpha by quantization level", "", "alpha")
	p.Add(band{})
	if err := d.boxes(p, func(r *Record) float64 { return r.Alpha }); err != nil {
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
	legendAbove(p)
	return [][]*plot.Plot{{p}}, nil
}

// boxes adds a box plot of one number of the records for each level.
func (d *plotData) boxes(p *plot.Plot, get func(*Record) float64) error {
	p.X.Tick.Marker = d.levelTicks()
	p.X.Min, p.X.Max = -0.6, float64(len(d.tables))-0.4
	for i := range d.tables {
		v := finite(existing(d.tables[i].Records, get))
		if len(v) == 0 {
			continue
		}
		b, err := plotter.NewBoxPlot(vg.Points(30), float64(i), v)
		if err != nil {
			return err
		}
		b.FillColor = faded(levelColor(i, len(d.tables)), 0x90)
		b.GlyphStyle.Radius = 2
		p.Add(b)
	}
	p.X.Min, p.X.Max = -0.6, float64(len(d.tables))-0.4
	return nil
}

// layerwiseAlpha draws the exponent of each layer, one line a level.
func layerwiseAlpha(d *plotData) ([][]*plot.Plot, error) {
	p := newPlot("alpha of each layer", "layer (natural order of tensor names)", "alpha")
	p.Add(band{})
	for i := range d.tables {
		var parts []plotter.XYs
		var part plotter.XYs
		for j := range d.tables[i].Records {
			r := &d.tables[i].Records[j]
			if math.IsNaN(r.Alpha) || math.IsInf(r.Alpha, 0) {
				// A layer without an exponent leaves a gap.
				if len(part) > 0 {
					parts = append(parts, part)
				}
				part = nil
				continue
			}
			part = append(part, plotter.XY{X: float64(r.ID), Y: r.Alpha})
		}
		if len(part) > 0 {
			parts = append(parts, part)
		}
		for k, xy := range parts {
			l, points, err := plotter.NewLinePoints(xy)
			if err != nil {
				return nil, err
			}
			c := levelColor(i, len(d.tables))
			l.LineStyle = stroke(c, 1.1)
			points.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 1.8, Shape: draw.CircleGlyph{}}
			p.Add(l, points)
			if k == 0 {
				p.Legend.Add(d.tables[i].Level.String(), l, points)
			}
		}
	}
	p.Legend.Add("2 to 6", band{})
	legendAbove(p)
	return [][]*plot.Plot{{p}}, nil
}

// alphaStatistics draws four numbers of each level.
func alphaStatistics(d *plotData) ([][]*plot.Plot, error) {
	n := len(d.summaries)
	mean := newPlot("mean alpha", "", "alpha")
	std := newPlot("standard deviation of alpha", "", "alpha")
	share := newPlot("layers with alpha in 2 to 6 (no measure of quality)", "", "percent")
	span := newPlot("smallest, median and largest alpha", "", "alpha")
	mean.Add(line{at: 4, style: stroke(darkGrey, 0.8, 4, 3)})
	span.Add(band{})
	var medians plotter.XYs
	for _, p := range []*plot.Plot{mean, std, share, span} {
		p.X.Tick.Marker = d.levelTicks()
	}
	for i := range d.summaries {
		s := &d.summaries[i]
		c := levelColor(i, n)
		for _, b := range []struct {
			p      *plot.Plot
			v      float64
			format string
		}{
			{mean, s.Mean, "%.2f"},
			{std, s.Std, "%.2f"},
			{share, 100 * float64(s.Optimal) / float64(max(s.Layers, 1)), "%.0f %%"},
		} {
			if math.IsNaN(b.v) || math.IsInf(b.v, 0) {
				continue
			}
			bar, err := plotter.NewBarChart(plotter.Values{b.v}, vg.Points(26))
			if err != nil {
				return nil, err
			}
			bar.XMin, bar.Color, bar.LineStyle = float64(i), c, stroke(darkGrey, 0.3)
			b.p.Add(bar, &valueLabel{float64(i), b.v, fmt.Sprintf(b.format, b.v)})
		}
		if !math.IsNaN(s.Median) && !math.IsInf(s.Max, 0) {
			l, err := plotter.NewLine(plotter.XYs{{X: float64(i), Y: s.Min}, {X: float64(i), Y: s.Max}})
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
	for _, p := range []*plot.Plot{mean, std, share, span} {
		p.X.Min, p.X.Max = -0.6, float64(n)-0.4
		if p != span {
			p.Y.Min = 0
		}
		p.Y.Max = max(p.Y.Min+(p.Y.Max-p.Y.Min)*1.15, 0.1)
	}
	mean.Y.Max = max(mean.Y.Max, 4.6)
	mean.Add(note{[]string{"dashed: 4, the middle of 2 to 6"}})
	return [][]*plot.Plot{{mean, std}, {share, span}}, nil
}

// normComparison draws both norms of each level. WeightWatcher's log_norm is the
// squared Frobenius norm, log_spectral_norm the squared 2-norm.
func normComparison(d *plotData) ([][]*plot.Plot, error) {
	frob := newPlot("Frobenius norm", "", "log10 of squared Frobenius norm (log_norm)")
	spec := newPlot("spectral norm", "", "log10 of largest eigenvalue (log_spectral_norm)")
	if err := d.boxes(frob, func(r *Record) float64 { return r.LogNorm }); err != nil {
		return nil, err
	}
	if err := d.boxes(spec, func(r *Record) float64 { return r.LogSpectralNorm }); err != nil {
		return nil, err
	}
	return [][]*plot.Plot{{frob, spec}}, nil
}

// legendAbove puts the legend into room made for it above the data.
func legendAbove(p *plot.Plot) {
	settle(&p.Y)
	span := p.Y.Max - p.Y.Min
	p.Legend.Top = true
	p.Legend.Left = false
	p.Legend.XOffs = -4
	// Nine entries one above the other take about a third of the height.
	p.Y.Max += span * 0.4
}

// valueLabel writes the value of a bar above it.
type valueLabel struct {
	x, v  float64
	label string
}

func (l *valueLabel) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	sty := p.X.Tick.Label
	sty.XAlign, sty.YAlign = draw.XCenter, draw.YBottom
	c.FillText(sty, vg.Point{X: tx(l.x), Y: ty(l.v) + 2}, l.label)
}

// diamond is a filled rhombus.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	r := sty.Radius
	c.FillPolygon(sty.Color, []vg.Point{{X: pt.X - r, Y: pt.Y}, {X: pt.X, Y: pt.Y + r}, {X: pt.X + r, Y: pt.Y}, {X: pt.X, Y: pt.Y - r}})
}
