package report

import (
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// dpi is the resolution of the pictures.
const dpi = 150

// A figure is one PNG file: the name of the model above panels in rows and columns. The
// legend of a figure of one panel stands beside it.
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
	model     string
	levels    []drawn
	summaries []stats.Summary
}

// drawn is one level: the rows that were reached.
type drawn struct {
	level quant.Recipe
	rows  []engine.Row // that were reached
	// counted are those of rows that count in the statistics of the level.
	counted []engine.Row
}

func newPlotData(d *data) *plotData {
	p := &plotData{model: d.opts.Model, summaries: d.summaries}
	counts := stats.Counts(d.res)
	for k, level := range d.res.Levels {
		rows := stats.Reached(d.res.Rows[k])
		counted := slices.DeleteFunc(slices.Clone(rows), func(r engine.Row) bool { return !counts(&r) })
		p.levels = append(p.levels, drawn{level, rows, counted})
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
	dc = d.heading(dc)
	var beside *plot.Legend
	width := vg.Length(0)
	if len(panels) == 1 && len(panels[0]) == 1 {
		beside, width = legendBeside(dc, panels[0][0])
		dc = draw.Crop(dc, 0, -width, 0, 0)
	}
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
	if beside != nil {
		beside.Draw(draw.Canvas{Canvas: dc.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: dc.Max.X, Y: dc.Min.Y}, Max: vg.Point{X: dc.Max.X + width, Y: dc.Max.Y - 20},
		}})
	}
	// Flat colours compress well at any setting; the default one takes longer
	// than drawing.
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if rgba, ok := img.Image().(*image.RGBA); ok {
		var meaning []color.Color
		for i := range d.levels {
			meaning = append(meaning, d.color(i))
		}
		return enc.Encode(w, indexed(rgba, meaning))
	}
	return enc.Encode(w, img.Image())
}

// heading writes the name of the model on top, and returns what is left of the canvas.
func (d *plotData) heading(c draw.Canvas) draw.Canvas {
	if d.model == "" {
		return c
	}
	style := newPlot("", "", "").Title.TextStyle
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	style.Font = font.From(style.Font, 14)
	name := tail(checkpoint.Printable(d.model), 100)
	c.FillText(style, vg.Point{X: c.Center().X, Y: c.Max.Y}, name)
	return draw.Crop(c, 0, 0, 0, -24)
}

// tail keeps the end of a name, which tells it from others, in at most n characters.
func tail(name string, n int) string {
	r := []rune(name)
	if len(r) <= n {
		return name
	}
	return "…" + string(r[len(r)-n+1:])
}

// legendWidth is the least room beside a plot for its legend.
const legendWidth = 92

// legendBeside takes the legend out of a plot, and returns it and the width it needs on a
// canvas.
func legendBeside(c draw.Canvas, p *plot.Plot) (*plot.Legend, vg.Length) {
	l := p.Legend
	l.Top, l.Left, l.XOffs, l.YOffs = true, true, 4, 0
	p.Legend = plot.NewLegend()
	return &l, max(legendWidth, l.Rectangle(c).Size().X+8)
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
	p.X.Tick.Marker, p.Y.Tick.Marker = niceTicks{}, niceTicks{}
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

// line is a straight line across the plot at a given value. A vertical one ends at top,
// if that is not 0.
type line struct {
	at       float64
	vertical bool
	top      float64
	style    draw.LineStyle
}

func (l line) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	if l.vertical {
		if x := tx(l.at); x >= c.Min.X && x <= c.Max.X {
			end := c.Max.Y
			if l.top != 0 {
				end = min(end, ty(l.top))
			}
			c.StrokeLine2(l.style, x, c.Min.Y, x, end)
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
		t[i] = plot.Tick{Value: float64(i), Label: tail(quant.Label(d.levels[i].level), 28)}
	}
	return t
}

// nameLevels labels the x axis with the names of the levels.
func (d *plotData) nameLevels(p *plot.Plot) {
	p.X.Tick.Marker = d.levelTicks()
	if len(d.levels) > 8 {
		p.X.Tick.Label.Font.Size = 7
	}
	longest := 0
	for i := range d.levels {
		longest = max(longest, min(len(quant.Label(d.levels[i].level)), 28))
	}
	// Names that would touch each other are slanted. An axis has room for some 70 letters.
	if longest*len(d.levels) > 70 {
		p.X.Tick.Label.Rotation = math.Pi / 6
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YTop
	}
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
	return finite(stats.Values(t.counted, "alpha"))
}

// note writes small text into the upper right corner of a plot.
type note struct{ lines []string }

// noteSize is the height of a line of a note.
const noteSize = 11

func (n note) Plot(c draw.Canvas, p *plot.Plot) {
	sty := p.Legend.TextStyle
	sty.Font = font.From(sty.Font, 9)
	sty.XAlign, sty.YAlign = draw.XRight, draw.YTop
	y := c.Max.Y - 2
	for _, l := range n.lines {
		c.FillText(sty, vg.Point{X: c.Max.X - 3, Y: y}, l)
		y -= noteSize
	}
}
