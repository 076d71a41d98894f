package report

import (
	"image/color"
	"math"
)

// baselineColor is the colour of the level that all others are compared with.
var baselineColor = color.NRGBA{0x70, 0x70, 0x70, 255}

// sequence are colours from dark blue to yellow, of growing lightness and told apart by the
// colour-blind: matplotlib's map plasma (S. van der Walt and N. Smith) in steps of an
// eighth. Its end is too light for thin lines on white and is left out.
var sequence = []color.NRGBA{
	{0x0d, 0x08, 0x87, 255}, {0x4c, 0x02, 0xa1, 255}, {0x7e, 0x03, 0xa8, 255}, {0xa9, 0x23, 0x95, 255},
	{0xcc, 0x47, 0x78, 255}, {0xe5, 0x6b, 0x5d, 255}, {0xf8, 0x95, 0x40, 255}, {0xfd, 0xc3, 0x28, 255},
}

// color returns the colour of level i: grey for the baseline, and for the others one that
// is lighter the fewer bits they have.
func (d *plotData) color(i int) color.Color {
	if d.levels[i].level.Reference() {
		return baselineColor
	}
	place, others := 0, 0
	for k := range d.levels {
		if !d.levels[k].level.Reference() {
			if k < i {
				place++
			}
			others++
		}
	}
	if others < 2 {
		return sequence[len(sequence)/2]
	}
	return mix(float64(place) / float64(others-1))
}

// mix returns the colour at x of the sequence, from 0 to 1.
func mix(x float64) color.Color {
	x *= float64(len(sequence) - 1)
	k := min(int(x), len(sequence)-2)
	f := x - float64(k)
	between := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-f) + float64(b)*f)) }
	a, b := sequence[k], sequence[k+1]
	return color.NRGBA{between(a.R, b.R), between(a.G, b.G), between(a.B, b.B), 255}
}

// faded returns a colour that lets through what is below it.
func faded(c color.Color, alpha uint8) color.Color {
	r, g, b, _ := c.RGBA()
	return color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), alpha}
}
