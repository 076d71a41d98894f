package spectrum

// singularValues writes the singular values, ascending, of the part of m that has
// only the rows or columns live of the smaller side to sigma, of the same length. It
// works in ws.gram, which it grows to at most 2*len(live)^2 elements: a stack of rows of
// panels, folded into the triangle of its QR factorisation whenever it is full.
func (s *Solver) singularValues(ws *Workspace, m Matrix, live []int, sigma []float64) error {
	sh := shapeOf(m)
	r := len(live)
	height := min(2*r, sh.long)
	ws.panel = grow(ws.panel, sh.panel*sh.short)
	ws.single = grow(ws.single, sh.panel*sh.short)
	ws.gram = grow(ws.gram, height*r)
	im, units := integersOf(m)
	rows := 0 // of the stack that are in use
	var err error
	sh.panels(func(first, count int) {
		panel := ws.panel[:count*sh.short]
		if im != nil {
			ws.integers64(im, panel, first, count)
			for i, u := range units {
				for j := range count {
					panel[i*count+j] *= u
				}
			}
		} else {
			ws.panel64(m, panel, first, count, new(total))
		}
		for i := range count {
			if rows == height && err == nil {
				err = s.LAPACK.QR(rows, r, ws.gram, r)
				clearBelowDiagonal(ws.gram, r)
				rows = r
			}
			if err != nil {
				return
			}
			dst := ws.gram[rows*r : (rows+1)*r]
			for j, c := range live {
				if sh.tall {
					dst[j] = panel[i*sh.short+c]
				} else {
					dst[j] = panel[c*count+i]
				}
			}
			rows++
		}
	})
	if err != nil {
		return err
	}
	if err := s.LAPACK.SingularValues(rows, r, ws.gram, r, sigma); err != nil {
		return err
	}
	unit := 1.0
	if im != nil {
		unit = im.Unit()
	}
	for i, j := 0, r-1; i <= j; i, j = i+1, j-1 {
		sigma[i], sigma[j] = sigma[j]*unit, sigma[i]*unit
	}
	return nil
}

func clearBelowDiagonal(a []float64, n int) {
	for i := 1; i < n; i++ {
		clear(a[i*n : i*n+i])
	}
}
