package packed

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Part is one stored tensor: its type, its dimensions, the slowest first, and its elements,
// little-endian and without gaps. A tensor without dimensions has one element.
type Part struct {
	DType checkpoint.DType
	Shape []int
	Data  []byte
	// Unread says that the elements are not at hand and Data is nil. Layout.Open then checks the
	// type and the shape of the part, and returns a matrix that has dimensions and cannot be
	// decoded. Single numbers, pairs of dimensions and texts, none of which is longer than
	// [SmallPart], must have their elements.
	Unread bool
}

// SmallPart is a size in bytes that no part has from which a layout takes dimensions, or how
// the others are to be read.
const SmallPart = 4096

// size is the number of bytes of a part whose type and shape were checked.
func (p Part) size() int {
	n, _ := product(p.Shape...)
	return (n*p.DType.Bits() + 7) / 8
}

// Parts are the stored tensors of one layer, by what stands behind the name of the layer and
// its dot: "qweight", "weight", "weight.absmax". Those that a layout does not know, such as
// "bias" and "input_scale", are passed over.
type Parts map[string]Part

// A Layout is a way to store the weights of a layer, as a tool does it. Layouts are comparable
// values without state, safe for concurrent use. Their fields are what the parts do not say
// themselves, and what Pack is to choose.
type Layout interface {
	// Name returns what the layout is called, for messages: "GPTQ, 4 bits".
	Name() string
	// Open checks the parts of a layer and returns its weights. The matrix refers to the data
	// of the parts, which must not change as long as it is used; Open allocates a few KiB
	// beside it, whatever the parts say. Errors are of class checkpoint.ErrCorrupt,
	// checkpoint.ErrIncomplete (a part is missing) or checkpoint.ErrUnsupported, one sentence
	// that names the part. Any parts are an error or a matrix that can be read: codes
	// and scales may be any bits, and then weights may be infinite or NaN.
	Open(p Parts) (Matrix, error)
	// Pack returns the parts of a layer whose weights w were quantized by q, which was fitted
	// to them. It fails if q is no quant.Encoder, has groups or codes that the layout does
	// not have, or scales that the type in which they are stored does not hold exactly, and
	// for shapes that the layout cannot store. It walks over w once, and allocates the parts,
	// a piece, and the parameters of tiles, or of HQQ's groups along the first dimension.
	Pack(w quant.Weights, q quant.Quantizer) (Parts, error)
}

// A Matrix is the weights of a layer, [outputs, inputs], in stored form. It is safe for
// concurrent use as long as nobody writes to the parts that it was opened from.
type Matrix interface {
	// Dims returns the numbers of rows and columns, neither of which is 0. Matrices that are
	// stored in one tensor (experts) stand under each other; Count says how many.
	Dims() (rows, cols int)
	// Decode writes the len(dst) weights from (row, col) on, all of them in one row, to dst.
	// It panics if they are not there. It does not allocate.
	Decode(dst []float32, row, col int)
}

// Count returns how many matrices of the same dimensions stand under each other in m: more
// than one if the layer is a stack of experts.
func Count(m Matrix) int {
	if s, ok := m.(*matrix); ok {
		return max(1, s.stacked)
	}
	return 1
}

// Notes returns sentences on what is doubtful about a matrix: of GPTQ, zero points that
// programs read in different ways.
func Notes(m Matrix) []string {
	if s, ok := m.(*matrix); ok {
		return slices.Clone(s.notes)
	}
	return nil
}

// take returns a part of one of the types, whose data are as long as its shape says.
func (p Parts) take(name string, types ...checkpoint.DType) (Part, error) {
	part, ok := p[name]
	if !ok {
		return Part{}, checkpoint.Incompletef("part %s is missing", name)
	}
	if !slices.Contains(types, part.DType) {
		return Part{}, checkpoint.Corruptf("part %s is %v, not %v", name, part.DType, list(types))
	}
	n, ok := product(part.Shape...)
	if !ok || n > math.MaxInt/part.DType.Bits()-1 || !part.Unread && len(part.Data) != (n*part.DType.Bits()+7)/8 {
		return Part{}, checkpoint.Corruptf("part %s of shape %v has %d bytes of %v", name, part.Shape, len(part.Data), part.DType)
	}
	return part, nil
}

// optional is take for a part that need not be there.
func (p Parts) optional(name string, types ...checkpoint.DType) (part Part, ok bool, err error) {
	if _, ok := p[name]; !ok {
		return Part{}, false, nil
	}
	part, err = p.take(name, types...)
	return part, err == nil, err
}

// taken is take for a part of a number of dimensions, none of them 0.
func (p Parts) taken(name string, dims int, types ...checkpoint.DType) (Part, error) {
	part, err := p.take(name, types...)
	if err == nil && (len(part.Shape) != dims || slices.Contains(part.Shape, 0)) {
		err = checkpoint.Corruptf("part %s has the shape %v, not %d dimensions above 0", name, part.Shape, dims)
	}
	return part, err
}

// shaped is take for a part of one of the shapes.
func (p Parts) shaped(name string, types []checkpoint.DType, shapes ...[]int) (Part, error) {
	part, err := p.take(name, types...)
	if err != nil {
		return Part{}, err
	}
	for _, s := range shapes {
		if slices.Equal(part.Shape, s) {
			return part, nil
		}
	}
	if len(shapes) == 1 {
		return Part{}, checkpoint.Corruptf("part %s has the shape %v, not %v", name, part.Shape, shapes[0])
	}
	return Part{}, checkpoint.Corruptf("part %s has the shape %v, none of %v", name, part.Shape, shapes)
}

// list is the names of types, for messages.
func list(types []checkpoint.DType) string {
	text := types[0].String()
	for _, d := range types[1:] {
		text += " or " + d.String()
	}
	return text
}

// product returns the product of dimensions, and whether it is one of an int.
func product(shape ...int) (int, bool) {
	n := uint64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		high, low := bits.Mul64(n, uint64(d))
		if high != 0 || low > math.MaxInt {
			return 0, false
		}
		n = low
	}
	return int(n), true
}

// parts returns how many parts of a size a number has, the last of which may be smaller.
func parts(n, size int) int { return (n-1)/size + 1 }

// blank returns a part of zeros. The caller vouches for the shape.
func blank(d checkpoint.DType, shape ...int) Part {
	n, _ := product(shape...)
	return Part{DType: d, Shape: shape, Data: make([]byte, n*d.Bits()/8)}
}

// numbers returns a part of integers, in one dimension.
func numbers(d checkpoint.DType, x ...int) Part {
	part := blank(d, len(x))
	for i, v := range x {
		if d == checkpoint.I64 {
			binary.LittleEndian.PutUint64(part.Data[8*i:], uint64(v))
		} else {
			binary.LittleEndian.PutUint32(part.Data[4*i:], uint32(v))
		}
	}
	return part
}

// scalar returns a part of one integer, without dimensions.
func scalar(d checkpoint.DType, x int) Part {
	if d == checkpoint.U8 {
		return Part{DType: d, Shape: []int{}, Data: []byte{byte(x)}}
	}
	part := numbers(d, x)
	part.Shape = []int{}
	return part
}

// integer returns element i of a part of integers, and false if an int does not hold it.
func (p Part) integer(i int) (int, bool) {
	switch p.DType {
	case checkpoint.I64:
		v := int64(binary.LittleEndian.Uint64(p.Data[8*i:]))
		return int(v), int64(int(v)) == v
	case checkpoint.I32:
		return int(int32(binary.LittleEndian.Uint32(p.Data[4*i:]))), true
	}
	return int(p.Data[i]), true
}

// whole returns the single integer of a part.
func (p Parts) whole(name string, types ...checkpoint.DType) (int, error) {
	part, err := p.take(name, types...)
	if err != nil {
		return 0, err
	}
	if n, _ := product(part.Shape...); n != 1 {
		return 0, checkpoint.Corruptf("part %s has %d elements, not one", name, n)
	}
	v, ok := part.integer(0)
	if !ok {
		return 0, checkpoint.Corruptf("part %s is too large", name)
	}
	return v, nil
}

// pair returns the two integers of a part, both above 0, as the dimensions of a matrix.
func (p Parts) pair(name string) (rows, cols int, err error) {
	part, err := p.shaped(name, []checkpoint.DType{checkpoint.I64, checkpoint.I32}, []int{2})
	if err != nil {
		return 0, 0, err
	}
	rows, ok := part.integer(0)
	cols, also := part.integer(1)
	if _, fits := product(rows, cols); !ok || !also || !fits || rows < 1 || cols < 1 {
		return 0, 0, checkpoint.Corruptf("part %s says that the matrix is %d×%d", name, rows, cols)
	}
	return rows, cols, nil
}

// cannot is an error of a layout that cannot store something.
func cannot(l Layout, format string, args ...any) error {
	return fmt.Errorf("%s cannot store %s", l.Name(), fmt.Sprintf(format, args...))
}
