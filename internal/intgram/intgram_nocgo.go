//go:build !cgo || wwq_noasm

package intgram

var setNames = []string{"generic"}

func (Set) fast16() bool { return false }

func (Set) multiply8(trans bool, k, m int, q []int8, ldq int, _ int, c []float64, ldc int, ws *Workspace) {
	syrkGeneric(trans, k, m, q, ldq, c, ldc, ws)
}

func (Set) multiply16(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int, _ *Workspace) {
	syrk16Generic(trans, k, m, q, ldq, c, ldc)
}
