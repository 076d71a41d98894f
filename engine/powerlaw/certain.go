package powerlaw

import "math"

// Certain reports whether the fit of x stays the same if every value moves by up to
// delta, their order kept: the tail begins at the same index, with a value that stays
// above the one before it, and its exponent moves by at most tolerance. x is what [Scan] made fit of. It may answer no where yes would be
// true, not the other way round.
//
// A distance depends on the logarithms of the values, which move by at most
//
//	eta(j) = -ln(1 - delta/x[j])
//
// so that the difference of two distances moves by at most the sum of eta(j) times the
// magnitude of its derivative by ln x[j], and a remainder of second order. The
// derivatives of distances of neighbouring candidates nearly cancel, which is why
// this succeeds where bounds on each distance would not. Candidates that are far from
// the least distance are passed over with such plain bounds. The work is O(N) for
// each candidate that is not, a handful as a rule.
func (fit Fit) Certain(x []float64, delta, tolerance float64) bool {
	if math.IsInf(fit.Alpha, 0) || !(delta >= 0) {
		return false
	}
	c := certainty{scan: newScan(x), eta: make([]float64, len(x)), weight: make([]float64, len(x))}
	for j, v := range x {
		if v <= delta {
			return false
		}
		c.eta[j] = -math.Log1p(-delta / v)
	}
	best := fit.Start
	if !(c.alphaMove(best) <= tolerance) || best > 0 && x[best]-x[best-1] <= 2*delta {
		return false
	}
	margin := c.margin(best)
	// The differences of the best candidate that may become its largest.
	var high []difference
	for k := range len(x) - best {
		if d := c.difference(best, k); d.abs() > fit.D-2*margin {
			high = append(high, d)
		}
	}
	for i := range len(x) - 1 {
		if i == best || !c.valid(i) {
			continue
		}
		limit := fit.D + margin + c.margin(i)
		if c.sample(i) > limit {
			continue
		}
		// Of candidate i its largest difference is enough: it bounds the distance from
		// below, wherever the largest one will be.
		d := c.largest(i, limit)
		if d.abs() > limit {
			continue
		}
		for _, h := range high {
			if !c.stays(h, d) {
				return false
			}
		}
	}
	return true
}

// certainty is a scan with bounds on the moves of the logarithms.
type certainty struct {
	*scan
	eta    []float64
	weight []float64
}

// A difference is that of the two distributions at the k-th value of the tail of
// candidate i.
type difference struct {
	i, k  int
	value float64
}

func (d difference) abs() float64 { return math.Abs(d.value) }

func (c *certainty) difference(i, k int) difference {
	return difference{i, k, c.model(i, k) - float64(k)/float64(len(c.x)-i)}
}

// largest returns the largest difference of candidate i, or any above limit.
func (c *certainty) largest(i int, limit float64) difference {
	best := difference{i: i}
	for k := range len(c.x) - i {
		if d := c.difference(i, k); d.abs() > best.abs() {
			if best = d; d.abs() > limit {
				break
			}
		}
	}
	return best
}

// alphaMove bounds how far the exponent of candidate i moves. With S the sum of
// ln x[j]/x[i], alpha = 1 + n/S.
func (c *certainty) alphaMove(i int) float64 {
	n := float64(len(c.x) - i)
	sum := n / (c.alpha[i] - 1)
	move := (n - 1) * c.eta[i]
	for _, e := range c.eta[i+1:] {
		move += e
	}
	if move >= sum {
		return math.Inf(1)
	}
	return n/(sum-move) - n/sum
}

// steepest is the largest (alpha-1)*eta up to which margins of second order hold.
const steepest = 0.01

// margin bounds how far any difference of candidate i moves. With a = alpha-1 and
// u = a*ln(x[k]/x[i]), the model 1 - exp(-u) moves by exp(-u)*|du|, and |du| is at most
// 2 a eta(i) (1+u) to first order; exp(-u)(1+u) <= 1. Where a*eta is not small, its
// whole range is taken: a grows to less than twice, u shrinks to no less than a quarter.
func (c *certainty) margin(i int) float64 {
	switch s := (c.alpha[i] - 1) * c.eta[i]; {
	case s <= steepest:
		return 2*s + remainder*s*s
	case s <= 0.25:
		return 10 * s
	}
	return math.Inf(1)
}

// remainder times (a*eta)^2 bounds what the derivatives leave of a difference: half
// the square of du, at most 4 a^2 eta^2 (1+u)^2, and the second derivatives of u, at
// most 4 a^2 eta^2 (1+u), times exp(-u), make 8; the rest covers the third order.
const remainder = 10

// stays reports whether the difference low of a candidate stays below high, that of
// another one.
func (c *certainty) stays(low, high difference) bool {
	s, t := (c.alpha[low.i]-1)*c.eta[low.i], (c.alpha[high.i]-1)*c.eta[high.i]
	if !(s <= steepest && t <= steepest) {
		return false
	}
	clear(c.weight)
	c.derive(low, -1)
	c.derive(high, 1)
	move := remainder*(s*s+t*t) + slack
	for j := min(low.i, high.i); j < len(c.x); j++ {
		move += math.Abs(c.weight[j]) * c.eta[j]
	}
	return high.abs()-low.abs() > move
}

// derive adds to the weights the derivatives of |d| by ln x[j], times factor.
func (c *certainty) derive(d difference, factor float64) {
	n, a := float64(len(c.x)-d.i), c.alpha[d.i]-1
	t := c.ln[d.i+d.k] - c.ln[d.i]
	factor *= math.Copysign(math.Exp(-a*t), d.value)
	// da/d ln x[j] is -a^2/n for j > i, and a^2 (n-1)/n for j = i.
	each := -factor * t * a * a / n
	for j := d.i; j < len(c.x); j++ {
		c.weight[j] += each
	}
	c.weight[d.i] += factor * (t*a*a - a)
	c.weight[d.i+d.k] += factor * a
}
