package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

const (
	// mostNamed is the largest number of layers whose names fit below a plot.
	mostNamed = 80
	// mostPoints is the largest number of layers that are drawn as points of their own.
	mostPoints = 500
	// runs is the number of runs of neighbouring layers that are drawn instead.
	runs = 240
)

// layerwiseAlpha draws the exponent of each layer, one line a level. Of more layers than
// can be told apart it draws runs of neighbours: the median, and the range from the tenth
// to the ninetieth percentile.
func layerwiseAlpha(d *plotData) ([][]*plot.Plot, error) {
	p := newPlot("alpha of each layer", "layer (natural order of tensor names)", "alpha")
	p.X.Tick.Marker = niceTicks{whole: true}
	p.Add(band{})
	layers := 0
	groups := make([][]float64, len(d.levels))
	for i := range d.levels {
		for j := range d.levels[i].rows {
			layers = max(layers, d.levels[i].rows[j].Layer.ID+1)
		}
		groups[i] = d.levels[i].alphas()
	}
	logarithmic(&p.Y, groups...)
	each := 1
	if layers > mostPoints {
		each = (layers + runs - 1) / runs
		p.Title.Text = fmt.Sprintf("alpha of each run of %d layers: median, and 10 %% to 90 %%", each)
	}
	for i := range d.levels {
		if l := d.line(i, each); !l.empty() {
			p.Add(l)
			p.Legend.Add(quant.Label(d.levels[i].level), l)
		}
	}
	if layers <= mostNamed {
		d.nameLayers(p)
	}
	p.Legend.Add("2 to 6", band{})
	p.X.Min, p.X.Max = -0.5, max(float64(layers)-0.5, 0.5)
	widen(&p.Y)
	return [][]*plot.Plot{{p}}, nil
}

// line returns the line of level i, with so many layers to a point. Layers without an
// exponent leave a gap.
func (d *plotData) line(i, each int) *layerLine {
	l := &layerLine{color: d.color(i), width: 1.1, points: each == 1}
	if d.levels[i].level.Reference() {
		l.width = 2
	}
	var values []float64
	end := func(from, to int) {
		if len(values) == 0 {
			l.gap()
			return
		}
		slices.Sort(values)
		quantile := func(q float64) float64 { return values[int(math.Round(q*float64(len(values)-1)))] }
		l.add(float64(from+to)/2, quantile(0.1), quantile(0.5), quantile(0.9))
		values = values[:0]
	}
	from := 0
	for j := range d.levels[i].rows {
		r := &d.levels[i].rows[j]
		id := r.Layer.ID
		for ; id >= from+each; from += each {
			end(from, from+each-1)
		}
		if a := r.Get("alpha"); !math.IsNaN(a) && !math.IsInf(a, 0) {
			values = append(values, a)
		}
	}
	end(from, from+each-1)
	return l
}

// nameLayers labels the axis with the names of the layers.
func (d *plotData) nameLayers(p *plot.Plot) {
	named := map[int]string{}
	for i := range d.levels {
		for j := range d.levels[i].rows {
			l := d.levels[i].rows[j].Layer
			named[l.ID] = l.LongName
		}
	}
	var ticks plot.ConstantTicks
	for id, name := range named {
		ticks = append(ticks, plot.Tick{Value: float64(id), Label: tail(checkpoint.Printable(name), 32)})
	}
	slices.SortFunc(ticks, func(a, b plot.Tick) int { return int(a.Value) - int(b.Value) })
	p.X.Label.Text = ""
	p.X.Tick.Marker = ticks
	p.X.Tick.Label.Rotation = math.Pi / 2
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.X.Tick.Label.Font.Size = 8
}

// layerLine is the line of a level over layers, with gaps, and with a band around it where
// it stands for more than one layer.
type layerLine struct {
	color  color.Color
	width  vg.Length
	points bool
	parts  []linePart
	open   bool
}

// A linePart is a part of a line without a gap.
type linePart struct{ low, middle, high plotter.XYs }

func (l *layerLine) gap() { l.open = false }

func (l *layerLine) add(x, low, middle, high float64) {
	if !l.open {
		l.parts, l.open = append(l.parts, linePart{}), true
	}
	part := &l.parts[len(l.parts)-1]
	part.low = append(part.low, plotter.XY{X: x, Y: low})
	part.middle = append(part.middle, plotter.XY{X: x, Y: middle})
	part.high = append(part.high, plotter.XY{X: x, Y: high})
}

func (l *layerLine) empty() bool { return len(l.parts) == 0 }

// Plot draws the line.
func (l *layerLine) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	place := func(xys plotter.XYs) []vg.Point {
		points := make([]vg.Point, len(xys))
		for i, xy := range xys {
			points[i] = vg.Point{X: tx(xy.X), Y: ty(xy.Y)}
		}
		return points
	}
	for _, part := range l.parts {
		middle := place(part.middle)
		if !l.points {
			edge := place(part.high)
			slices.Reverse(edge)
			c.FillPolygon(faded(l.color, 0x38), append(place(part.low), edge...))
		}
		c.StrokeLines(stroke(l.color, l.width), middle)
		if l.points || len(middle) == 1 {
			for _, at := range middle {
				c.DrawGlyph(draw.GlyphStyle{Color: l.color, Radius: 1.8, Shape: draw.CircleGlyph{}}, at)
			}
		}
	}
}

// DataRange returns the range of the exponents, for the axes.
func (l *layerLine) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, ymin = math.Inf(1), math.Inf(1)
	xmax, ymax = math.Inf(-1), math.Inf(-1)
	for _, part := range l.parts {
		for i := range part.middle {
			xmin, xmax = min(xmin, part.middle[i].X), max(xmax, part.middle[i].X)
			ymin, ymax = min(ymin, part.low[i].Y), max(ymax, part.high[i].Y)
		}
	}
	return xmin, xmax, ymin, ymax
}

// Thumbnail draws the line in a legend.
func (l *layerLine) Thumbnail(c *draw.Canvas) {
	y := c.Center().Y
	c.StrokeLine2(stroke(l.color, max(l.width, 1.6)), c.Min.X, y, c.Max.X, y)
}
