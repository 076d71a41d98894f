package packed

import (
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// BenchmarkDecode reads rows of a matrix; a weight is 4 bytes.
func BenchmarkDecode(b *testing.B) {
	for l, p := range sample(b) {
		b.Run(l.Name(), func(b *testing.B) {
			m, err := l.Open(p)
			if err != nil {
				b.Fatal(err)
			}
			rows, cols := m.Dims()
			dst := make([]float32, cols)
			b.SetBytes(int64(rows * cols * checkpoint.F32.Bits() / 8))
			for b.Loop() {
				for row := range rows {
					m.Decode(dst, row, 0)
				}
			}
		})
	}
}
