package report

import (
	"cmp"
	"image"
	"image/color"
	"math"
	"slices"
)

// indexed returns an opaque picture with 256 colours: those that mean something and its most
// frequent ones. The others, shades at the edges of lines and text, are replaced by the
// nearest of them. A file of indices is a third as long before it is compressed, and takes less
// than half the time.
func indexed(img *image.RGBA, meaning []color.Color) *image.Paletted {
	type rgb [3]uint8
	counts := map[rgb]int{}
	for i, c := range meaning {
		r, g, b, _ := c.RGBA()
		counts[rgb{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}] = math.MaxInt32 - i
	}
	var last rgb
	run := 0
	for i := 0; i < len(img.Pix); i += 4 {
		if c := rgb(img.Pix[i : i+3]); c != last {
			counts[last] += run
			last, run = c, 0
		}
		run++
	}
	counts[last] += run
	colors := make([]rgb, 0, len(counts))
	for c := range counts {
		colors = append(colors, c)
	}
	slices.SortFunc(colors, func(a, b rgb) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), slices.Compare(a[:], b[:]))
	})
	index := make(map[rgb]uint8, len(colors))
	var palette color.Palette
	for i, c := range colors {
		if i < 256 {
			palette = append(palette, color.RGBA{c[0], c[1], c[2], 0xff})
			index[c] = uint8(i)
		} else {
			index[c] = uint8(palette.Index(color.RGBA{c[0], c[1], c[2], 0xff}))
		}
	}
	out := image.NewPaletted(img.Rect, palette)
	last = colors[0]
	at := index[last]
	for i := range out.Pix {
		if c := rgb(img.Pix[4*i : 4*i+3]); c != last {
			last, at = c, index[c]
		}
		out.Pix[i] = at
	}
	return out
}
