package spectrum

import "github.com/wwq-fast/wwq-fast/internal/intgram"

// A Workspace keeps buffers between calls. The zero value is ready for use, by one
// goroutine at a time.
type Workspace struct {
	gram    []float64
	panel   []float64
	gram32  []float32
	single  []float32
	codes   []int8
	codes16 []int16
	igram   intgram.Workspace
}

// Bytes returns how much memory the buffers take.
func (ws *Workspace) Bytes() int64 {
	return int64(8*(cap(ws.gram)+cap(ws.panel)) + 4*(cap(ws.gram32)+cap(ws.single)) + cap(ws.codes) + 2*cap(ws.codes16) + ws.igram.Bytes())
}

// integerBytes is what the integer product takes for each row of the result.
const integerBytes = 5 << 10

// Bytes estimates the memory that [Solver.Compute] takes for a matrix of these
// dimensions: Gram matrix, the solver's copy of it, panels in all types, and the
// buffers of the integer product. The stack of the SVD route takes the place of the
// first two. In precision [Single] there is a Gram matrix in float32, too.
func Bytes(rows, cols int, precision Precision) int64 {
	k, long := int64(min(rows, cols)), int64(max(rows, cols))
	p := min(int64(PanelLength(int(k), 1)), long)
	bytes := 16*k*k + (8+4+2)*p*k + integerBytes*k
	if precision == Single {
		bytes += 4 * k * k
	}
	return bytes
}

// grow returns a slice of n elements, s itself if it has as many.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
