package report

import (
	"image"
	"image/color"
	"testing"
)

// TestIndexed: colours that mean something and frequent ones stay as they are, also where
// there are more than 256.
func TestIndexed(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	rare := color.RGBA{13, 8, 135, 255}
	for y := range 64 {
		for x := range 64 {
			c := color.RGBA{255, 255, 255, 255}
			if y < 16 {
				c = color.RGBA{uint8(4 * x), uint8(16 * y), 128, 255} // 1024 colours
			}
			img.SetRGBA(x, y, c)
		}
	}
	img.SetRGBA(5, 40, rare)
	out := indexed(img, []color.Color{rare})
	if len(out.Palette) != 256 || out.Bounds() != img.Bounds() {
		t.Fatalf("%d colours in %v", len(out.Palette), out.Bounds())
	}
	for y := range 64 {
		for x := range 64 {
			a, b := img.RGBAAt(x, y), color.RGBAModel.Convert(out.At(x, y)).(color.RGBA)
			apart := max(difference(a.R, b.R), difference(a.G, b.G), difference(a.B, b.B))
			if y >= 16 && apart > 0 {
				t.Fatalf("(%d, %d) is %v, was %v", x, y, b, a)
			}
		}
	}
	few := image.NewRGBA(image.Rect(0, 0, 3, 1))
	few.SetRGBA(1, 0, rare)
	if out := indexed(few, nil); len(out.Palette) != 2 || color.RGBAModel.Convert(out.At(1, 0)) != rare {
		t.Errorf("palette %v", out.Palette)
	}
}

func difference(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
