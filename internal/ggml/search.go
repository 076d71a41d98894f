package ggml

// The searches for the scale of a sub-block. Sums are in float32, one accumulator each, in
// the order of the elements, and every product is rounded.

// tiny is the magnitude below which the searches take a sub-block for zeros.
const tiny = 1e-15

// searchSymmetric finds the scale s and the codes l between -nmax and nmax-1 for which
// s*l is near x, with weights x*x: of 19 scales around the one that maps the largest weight
// to -nmax, it takes that with the largest projection of x on its codes, and fits s to them.
func searchSymmetric(l []int8, x []float32, nmax float32) (scale float32) {
	m := largest(x)
	if abs(m) < tiny {
		fill(l, int8(-nmax))
		return 0
	}
	var best float32
	for step := range 20 {
		// The first scale is the plain one. It is not tried again.
		t := float32(step - 10)
		id := -float32(nmax+float32(0.1*t)) / m
		switch step {
		case 0:
			id = -nmax / m
		case 10:
			continue
		}
		var sxl, sll float32
		for _, v := range x {
			q := nearest(float32(id*v), -nmax, nmax-1)
			w := v * v
			sxl += float32(float32(w*v) * q)
			sll += float32(float32(w*q) * q)
		}
		if step == 0 || sll > 0 && float32(sxl*sxl) > float32(best*sll) {
			scale = 0
			if sll != 0 {
				scale = sxl / sll
			}
			best = scale * sxl
			for i, v := range x {
				l[i] = int8(nearest(float32(id*v), -nmax, nmax-1))
			}
		}
	}
	return scale
}

// descendSymmetric finds a scale s and codes l as searchSymmetric does, from the plain scale
// by coordinate descent: at most 5 times it goes through the codes and replaces each by what
// the scale that fits all others makes of its weight, if that is a better projection.
func descendSymmetric(l []int8, x []float32, nmax float32) (scale float32) {
	m := largest(x)
	if abs(m) < tiny {
		fill(l, int8(-nmax))
		return 0
	}
	id := -nmax / m
	var sxl, sll float32
	for i, v := range x {
		q := nearest(float32(id*v), -nmax, nmax-1)
		l[i] = int8(q)
		w := v * v
		sxl += float32(float32(w*v) * q)
		sll += float32(float32(w*q) * q)
	}
	for range 5 {
		changed := false
		for i, v := range x {
			w, q := v*v, float32(l[i])
			xl := sxl - float32(float32(w*v)*q)
			if !(xl > 0) {
				continue
			}
			ll := sll - float32(float32(w*q)*q)
			p := nearest(float32(v*ll)/xl, -nmax, nmax-1)
			if p == q {
				continue
			}
			xl += float32(float32(w*v) * p)
			ll += float32(float32(w*p) * p)
			if ll > 0 && float32(float32(xl*xl)*sll) > float32(float32(sxl*sxl)*ll) {
				l[i], sxl, sll, changed = int8(p), xl, ll, true
			}
		}
		if !changed {
			break
		}
	}
	if sll > 0 {
		return sxl / sll
	}
	return 0
}

func fill(l []int8, v int8) {
	for i := range l {
		l[i] = v
	}
}

// A grid says which scales searchAffine tries: (first + step*t + nmax)/(max-min), t from 0
// to steps, and whether errors count by their magnitude, not by their square.
type grid struct {
	nmax, first, step float32
	steps             int
	magnitude         bool
}

var (
	gridQ2K = grid{nmax: 3, first: -0.5, step: 0.1, steps: 15, magnitude: true}
	gridQ4K = grid{nmax: 15, first: -1, step: 0.1, steps: 20}
	gridQ5K = grid{nmax: 31, first: -0.5, step: 0.1, steps: 15}
)

// searchAffine finds the scale s, the minimum -m (m >= 0 is returned) and the codes l from 0
// to nmax for which s*l - m is near x, with weights w: of the scales of the grid it takes that
// whose codes, with s and m fitted to them, leave the smallest error. A minimum that was
// fitted and taken is also the one from which the next candidates count.
func searchAffine(l []int8, x, w []float32, g grid) (scale, m float32) {
	lo, hi := x[0], x[0]
	var sw, swx float32
	for i, v := range x {
		lo, hi = min(lo, v), max(hi, v)
		sw += w[i]
		swx += float32(w[i] * v)
	}
	lo = min(lo, 0)
	if lo == hi {
		fill(l, 0)
		return 0, -lo
	}
	minimum := lo
	id := g.nmax / (hi - minimum)
	scale = 1 / id
	best := affineError(x, w, id, minimum, scale, minimum, g)
	putAffine(l, x, id, minimum, g)
	for t := range g.steps + 1 {
		id := float32(float32(g.first+float32(g.step*float32(t)))+g.nmax) / (hi - minimum)
		var sl, sll, sxl float32
		for i, v := range x {
			q := nearest(float32(id*float32(v-minimum)), 0, g.nmax)
			wq := float32(w[i] * q)
			sl += wq
			sll += float32(wq * q)
			sxl += float32(wq * v)
		}
		det := float32(sw*sll) - float32(sl*sl)
		if !(det > 0) {
			continue
		}
		s := (float32(sw*sxl) - float32(swx*sl)) / det
		b := (float32(sll*swx) - float32(sl*sxl)) / det
		if b > 0 {
			s, b = sxl/sll, 0
		}
		if err := affineError(x, w, id, minimum, s, b, g); err < best {
			putAffine(l, x, id, minimum, g)
			best, scale, minimum = err, s, b
		}
	}
	return scale, -minimum
}

// affineError returns the error of s*q + b with the codes q that id and minimum give.
func affineError(x, w []float32, id, minimum, s, b float32, g grid) (sum float32) {
	for i, v := range x {
		q := nearest(float32(id*float32(v-minimum)), 0, g.nmax)
		e := float32(float32(s*q)+b) - v
		if g.magnitude {
			e = abs(e)
		} else {
			e *= e
		}
		sum += float32(w[i] * e)
	}
	return sum
}

func putAffine(l []int8, x []float32, id, minimum float32, g grid) {
	for i, v := range x {
		l[i] = int8(nearest(float32(id*float32(v-minimum)), 0, g.nmax))
	}
}

// searchIQ4 finds the scale s for which values of the codebook times s are near x, with
// weights x*x, as searchSymmetric does: of 16 scales around the one that maps the largest
// weight to an end of the codebook.
func searchIQ4(x []float32) (scale float32) {
	m := largest(x)
	if abs(m) < tiny {
		return 0
	}
	var best float32
	for step := range 16 {
		id := float32(float32(step-8)-127) / m
		if step == 0 {
			id = 1 / float32(m/127)
		}
		var sxq, sqq float32
		for _, v := range x {
			q := iq4[iq4Code(float32(id*v))]
			wq := float32(v*v) * q
			sxq += float32(wq * v)
			sqq += float32(wq * q)
		}
		if step == 0 || sqq > 0 && float32(sxq*sxq) > float32(best*sqq) {
			scale = sxq / sqq
			best = scale * sxq
		}
	}
	return scale
}
