package quant

import (
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// bnbInt8 is the weights' part of bitsandbytes' LLM.int8(). Which columns are multiplied in
// float16 depends on activations; their weights are these all the same.
type bnbInt8 struct{ codes bool }

func (bnbInt8) fit(r Range, _ float32, _ arithmetic) (params, error) {
	amax := roundF16(r.AbsMax())
	if !isFinite(amax) {
		return params{}, overflowf("largest weight %g, float16 ends at 65504", r.AbsMax())
	}
	if amax == 0 {
		return params{}, nil
	}
	return params{Scale: amax, Step: arithmetic(0).over(127, amax)}, nil
}

func (u bnbInt8) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	rule := kernel.Affine{Low: -127, High: 127, Half: true, Factor: inverse127}
	if u.codes {
		rule.Factor = 1
	}
	kernel.QuantizeAffine(dst, src, size, groups, rule)
}

// inverse127 is 1/127 with the digits that bitsandbytes has.
const inverse127 = 7.874015718698502e-3

// nf4Values are the quantiles of a normal distribution that QLoRA's NormalFloat has.
var nf4Values = [16]float32{
	-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
	0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
}

// fp4Values are the values of bitsandbytes' FP4, which is not E2M1.
var fp4Values = [16]float32{
	-1, -2. / 3, -0.5, -1. / 3, -0.25, -1. / 6, -0.005208333333333333, 0,
	0, 0.005208333333333333, 1. / 6, 0.25, 1. / 3, 0.5, 2. / 3, 1,
}

// bnb4bit is a codebook of bitsandbytes for 4 bits, NF4 or FP4. Its scales are the largest
// magnitudes of runs of weights of the flattened tensor, which may cross rows.
type bnb4bit struct {
	fp4    bool
	double bool // the scales are quantized, too
	codes  bool // the second zero of FP4 is negative
}

// fit has the largest magnitude twice, as the scale, and, as it is, in Zero.
func (bnb4bit) fit(r Range, _ float32, _ arithmetic) (params, error) {
	amax := r.AbsMax()
	return params{Scale: amax, Step: 1 / divisor(amax), Zero: amax}, nil
}

// divisor is what weights whose largest magnitude is amax are divided by.
func divisor(amax float32) float32 { return max(amax, 1e-38) }

func (u bnb4bit) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	book := nf4Book
	if u.fp4 {
		book = fp4Book
		if u.codes {
			book.Values[8] = math.Float32frombits(1 << 31)
		}
	}
	last := len(groups) - 1
	if at := last * size; groups[last].Step == 0 {
		book.Multiply = false
		kernel.QuantizeBook(dst[at:], src[at:], size, []params{{Scale: groups[last].Scale, Step: divisor(groups[last].Zero)}}, &book)
		dst, src, groups = dst[:at], src[:at], groups[:last]
	}
	book.Multiply = true
	kernel.QuantizeBook(dst, src, size, groups, &book)
}

var nf4Book, fp4Book = newBook(nf4Values), newBook(fp4Values)

func newBook(values [16]float32) kernel.Book {
	b := kernel.Book{Values: values}
	for i := range b.Middles {
		b.Middles[i] = (values[i] + values[i+1]) / 2
	}
	return b
}

// settle divides by the scale in the last run if that is short, as bitsandbytes does, and
// quantizes the scales: it returns their mean, and leaves the scale of scales in Bias.
func (u bnb4bit) settle(groups []params, short bool) float32 {
	if short {
		groups[len(groups)-1].Step = 0
	}
	if !u.double {
		return 0
	}
	sum := 0.0
	for i := range groups {
		sum += float64(groups[i].Scale)
	}
	mean := float32(sum / float64(len(groups)))
	const run = 256
	for first := 0; first < len(groups); first += run {
		part := groups[first:min(first+run, len(groups))]
		largest := float32(0)
		for i := range part {
			part[i].Scale -= mean
			largest = max(largest, part[i].Scale, -part[i].Scale)
		}
		for i := range part {
			part[i].Scale = float32(doubled(part[i].Scale, largest)*largest) + mean
			part[i].Bias = largest
		}
	}
	return mean
}

// doubled returns what a scale less the mean is quantized to, in units of the largest of its run.
func doubled(scale, largest float32) float32 {
	if largest > 0 {
		return dynamicValues[nearest(dynamicValues, scale/largest)]
	}
	return 0
}

// nearest returns the index of the value of an ascending book that is nearest to t: of the
// two around it the lower one up to the middle, as rounded to float32.
func nearest(book []float32, t float32) int {
	low, high := 0, len(book)-1
	for low < high {
		mid := (low + high) / 2
		if t > (book[mid]+book[mid+1])/2 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// dynamicValues are the 256 values of the dynamic type that bitsandbytes quantizes scales
// with: seven decades, with 1 to 64 values of each sign.
var dynamicValues = func() []float32 {
	values := []float32{0, 1}
	for i := range 7 {
		n := 1 << i
		step := (1 - float32(0.1)) / float32(n)
		// The ends of n parts of [0.1, 1], from both sides, each rounded once.
		end := func(j int) float32 {
			if j < (n+1)/2 {
				return float32(float64(float32(0.1)) + float64(step)*float64(j))
			}
			return float32(1 - float64(step)*float64(n-j))
		}
		for j := range n {
			v := float32(math.Pow(10, float64(i-6))) * ((end(j) + end(j+1)) / 2)
			values = append(values, v, -v)
		}
	}
	slices.Sort(values)
	return values
}()

// bnbDynamic8 is the dynamic type of 8 bits, which optimizers and scales are kept in.
type bnbDynamic8 struct{}

func (bnbDynamic8) fit(r Range, _ float32, _ arithmetic) (params, error) {
	amax := r.AbsMax()
	return params{Scale: amax, Step: 1 / max(amax, 1e-38)}, nil
}

func (bnbDynamic8) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	for i, x := range src {
		p := &groups[i/size]
		dst[i] = dynamicValues[nearest(dynamicValues, x*p.Step)] * p.Scale
	}
}
