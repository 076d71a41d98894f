package report

import (
	"image/color"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// dpi is the resolution of the pictures.
const dpi = 150

// A figure is one PNG file: panels in rows and columns.
type figure struct {
	name          string
	width, height vg.Length
	panels        func(d *plotData) ([][]*plot.Plot, error)
}

// figures are the pictures of a study, by the file names of the published one.
var figures = []figure{
	{"alpha_distributions.png", 12 * vg.Inch, 8 * vg.Inch, alphaDistributions},
	{"alpha_comparison_boxplot.png", 9 * vg.Inch, 6 * vg.Inch, alphaBoxes},
	{"layerwise_alpha_comparison.png", 13 * vg.Inch, 6 * vg.Inch, layerwiseAlpha},
	{"alpha_statistics_summary.png", 12 * vg.Inch, 8 * vg.Inch, alphaStatistics},
	{"spectral_norms_comparison.png", 12 * vg.Inch, 5.5 * vg.Inch, normComparison},
}

// plotData is what the figures are drawn from.
type plotData struct {
	levels    []drawn
	summaries []stats.Summary
}

// drawn is one level: the rows that were reached.
type drawn struct {
	level quant.Recipe
	rows  []engine.Row
}

func newPlotData(d *data) *plotData {
	p := &plotData{summaries: d.summaries}
	for k, level := range d.res.Levels {
		p.levels = append(p.levels, drawn{level, stats.Reached(d.res.Rows[k])})
	}
	return p
}

func (f *figure) write(w io.Writer, d *plotData) error {
	panels, err := f.panels(d)
	if err != nil {
		return err
	}
	for _, row := range panels {
		for _, p := range row {
			if p != nil {
				settle(&p.X)
				settle(&p.Y)
			}
		}
	}
	img := vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(dpi))
	dc := draw.Crop(draw.New(img), 4, -10, 4, -6)
	tiles := draw.Tiles{
		Rows: len(panels), Cols: len(panels[0]),
		PadX: 14, PadY: 14,
	}
	canvases := plot.Align(panels, tiles, dc)
	for i := range panels {
		for j, p := range panels[i] {
			if p != nil {
				p.Draw(canvases[i][j])
			}
		}
	}
	// Flat colours compress well at any setting; the default one takes longer
	// than drawing.
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	return enc.Encode(w, img.Image())
}

// settle gives an axis without data a range: the search for tick marks never ends
// on one that is empty or not finite.
func settle(a *plot.Axis) {
	width := a.Max - a.Min
	switch {
	case math.IsNaN(width) || math.IsInf(width, 0) || width < 0:
		a.Min, a.Max = 0, 1
	case width == 0:
		a.Min, a.Max = a.Min-0.5, a.Max+0.5
	}
}

// levelColor gives level i of n a colour: from dark blue for the most bits to
// orange for the fewest, distinct in grey and to the colour-blind.
func levelColor(i, n int) color.Color {
	stops := []color.NRGBA{
		{0x1b, 0x2a, 0x6b, 255}, {0x2c, 0x6f, 0xb0, 255}, {0x35, 0xa5, 0xa0, 255},
		{0x7d, 0xb9, 0x4a, 255}, {0xe2, 0xb0, 0x2a, 255}, {0xd9, 0x5f, 0x1e, 255}, {0x9c, 0x1f, 0x3a, 255},
	}
	if n == 1 {
		return stops[1]
	}
	x := float64(i) / float64(n-1) * float64(len(stops)-1)
	k := min(int(x), len(stops)-2)
	f := x - float64(k)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-f) + float64(b)*f)) }
	a, b := stops[k], stops[k+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

func faded(c color.Color, alpha uint8) color.Color {
	r, g, b, _ := c.RGBA()
	return color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), alpha}
}

var (
	bandColor = color.NRGBA{0x3c, 0xa0, 0x50, 0x22}
	gridColor = color.NRGBA{0, 0, 0, 0x18}
	darkGrey  = color.NRGBA{0x33, 0x33, 0x33, 255}
)

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = 13
	p.Title.Padding = 5
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size = 11
		a.Tick.Label.Font.Size = 10
		a.Padding = 3
	}
	p.Legend.TextStyle.Font.Size = 10
	p.Legend.Padding = 3
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.Legend.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font,
	} {
		f.Variant = "Sans"
	}
	p.BackgroundColor = color.White
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gridColor, gridColor
	p.Add(grid)
	return p
}

// band shades the exponents between 2 and 6, along x or y.
type band struct {
	vertical bool
}

func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	x0, x1, y0, y1 := c.Min.X, c.Max.X, c.Min.Y, c.Max.Y
	if b.vertical {
		x0, x1 = max(x0, tx(engine.OptimalLow)), min(x1, tx(engine.OptimalHigh))
	} else {
		y0, y1 = max(y0, ty(engine.OptimalLow)), min(y1, ty(engine.OptimalHigh))
	}
	if x1 > x0 && y1 > y0 {
		c.FillPolygon(bandColor, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
	}
}

// Thumbnail draws the band's place in a legend.
func (b band) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(bandColor, []vg.Point{{X: c.Min.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Max.Y}, {X: c.Min.X, Y: c.Max.Y}})
}

// line is a straight line across the whole plot at a given value.
type line struct {
	at       float64
	vertical bool
	style    draw.LineStyle
}

func (l line) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	if l.vertical {
		if x := tx(l.at); x >= c.Min.X && x <= c.Max.X {
			c.StrokeLine2(l.style, x, c.Min.Y, x, c.Max.Y)
		}
	} else if y := ty(l.at); y >= c.Min.Y && y <= c.Max.Y {
		c.StrokeLine2(l.style, c.Min.X, y, c.Max.X, y)
	}
}

// Thumbnail draws the line's place in a legend.
func (l line) Thumbnail(c *draw.Canvas) {
	y := c.Center().Y
	c.StrokeLine2(l.style, c.Min.X, y, c.Max.X, y)
}

func stroke(c color.Color, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dashes}
}

// levelTicks labels integers with the names of the levels.
func (d *plotData) levelTicks() plot.ConstantTicks {
	t := make(plot.ConstantTicks, len(d.levels))
	for i := range d.levels {
		t[i] = plot.Tick{Value: float64(i), Label: d.levels[i].level.Name()}
	}
	return t
}

// finite returns the values that can be drawn.
func finite(x []float64) plotter.Values {
	var v plotter.Values
	for _, a := range x {
		if !math.IsNaN(a) && !math.IsInf(a, 0) {
			v = append(v, a)
		}
	}
	return v
}

func (t *drawn) alphas() plotter.Values {
	return finite(stats.Values(t.rows, "alpha"))
}

// note writes small text into the upper right corner of a plot.
type note struct{ lines []string }

func (n note) Plot(c draw.Canvas, p *plot.Plot) {
	sty := p.Legend.TextStyle
	sty.Font = font.From(sty.Font, 9)
	sty.XAlign, sty.YAlign = draw.XRight, draw.YTop
	y := c.Max.Y - 2
	for _, l := range n.lines {
		c.FillText(sty, vg.Point{X: c.Max.X - 3, Y: y}, l)
		y -= 12
	}
}
