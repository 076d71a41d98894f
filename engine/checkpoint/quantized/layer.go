package quantized

import (
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// A family is the layers of a checkpoint that are stored in one way.
type family struct {
	method string // how the method is called in messages
	// codes is what stands behind the name of the layer in that of the tensor of codes, and parts
	// what stands there in those that it is decoded with, which may be missing. Those beside are of
	// activations or of the program that wrote them: they are not listed and do not count.
	codes  string
	parts  []string
	beside []string
	// near are tensors of the layer that are no parts, whose shapes are looked at.
	near []string
	// separator stands between the name of the layer and the rest; a dot if it is empty.
	separator string
	// is reports whether codes are those of such a layer; nil takes all.
	is func(l *layer) bool
	// needs are parts without which nothing is known of the layer, and forbids those with which it
	// is not what it seems.
	needs, forbids []string
	// small are the parts of which the elements are looked at before weights are read.
	small []string
	// stacks says that codes may have a dimension of matrices in front, in all parts.
	stacks bool
	// flat says that the codes are one for each weight, in any number of dimensions.
	flat bool
	// bare names the weights as the layer, without ".weight" behind.
	bare bool
	// layout returns the layout of a layer, how its weights are called in a table, and in a sentence.
	layout func(l *layer) (form, error)
}

// A form is how the weights of a layer are stored.
type form struct {
	layout packed.Layout
	short  string // in a table: "GPTQ 4 bits"
	long   string // in a sentence: "GPTQ, 4 bits, groups of 128"
	// uneven says that zero points are looked at, since programs may disagree about them.
	uneven bool
}

// A layer is a quantized layer of a checkpoint.
type layer struct {
	family *family
	stem   string // its name
	name   string // of its weights
	codes  *checkpoint.Tensor
	parts  []*checkpoint.Tensor // that it is decoded with, the codes first
	names  []string             // of the parts, behind the name of the layer
	beside []*checkpoint.Tensor
	near   map[string]*checkpoint.Tensor
	form   form
	shape  []int // of the weights
	notes  []string
	err    error // why it is not read
}

// part returns the part of a name, nil if it is not there.
func (l *layer) part(name string) *checkpoint.Tensor {
	if i := slices.Index(l.names, name); i >= 0 {
		return l.parts[i]
	}
	return nil
}

// has reports whether the layer has one of the parts.
func (l *layer) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return l.part(name) != nil })
}

// refusal is why the layer is not read, in a sentence.
func (l *layer) refusal() string {
	return fmt.Sprintf("quantized already by %s: %s", l.family.method, sentence(l.err))
}

// size is the number of bytes of the parts.
func (l *layer) size() (n int64) {
	for _, t := range l.parts {
		n += t.Size
	}
	return n
}

// tensor returns the weights as one tensor.
func (l *layer) tensor() checkpoint.Tensor {
	return checkpoint.Tensor{
		Name: l.name, TypeName: l.form.short, Encoding: encoding{l}, Shape: l.shape,
		File: l.codes.File, Offset: l.codes.Offset, Size: l.size(),
	}
}

// check finds the layout of the layer and the shape of its weights, from the types and shapes of
// the parts and, through read, the elements of small ones.
func (l *layer) check(read func(t *checkpoint.Tensor) ([]byte, error)) error {
	f := l.family
	for _, name := range f.forbids {
		if l.has(name) {
			return checkpoint.Unsupportedf("part %s is there, which is not read", name)
		}
	}
	for _, name := range f.needs {
		if !l.has(name) {
			return checkpoint.Incompletef("part %s is missing", name)
		}
	}
	form, err := f.layout(l)
	if err != nil {
		return err
	}
	l.form = form
	parts := packed.Parts{}
	for i, name := range l.names {
		t := l.parts[i]
		part := l.packed(t, nil)
		part.Unread = true
		look := slices.Contains(f.small, name) && t.Size <= packed.SmallPart || form.uneven && name == "qzeros" && t.Size <= maxZeros
		if look {
			if part.Data, err = read(t); err != nil {
				return err
			}
			part.Unread = false
		}
		parts[name] = part
	}
	m, err := form.layout.Open(parts)
	if err != nil {
		return err
	}
	rows, cols := m.Dims()
	if p, ok := form.layout.(packed.Packed); ok && p.Ambiguous(cols) {
		return checkpoint.Unsupportedf("part weight_packed is as long with gaps between codes of %d bits as without, and nothing says which it has", p.Bits)
	}
	l.shape = []int{rows, cols}
	if n := max(packed.Count(m), l.stack()); n > 1 || l.stack() == 1 || f.bare {
		l.shape = []int{n, rows / n, cols}
	}
	if n := parts["nbits"].Data; len(n) > 0 {
		l.form.short = fmt.Sprintf("%s %s", l.form.short, bitsOf(int(n[0])))
		l.form.long = fmt.Sprintf("%s, %s", l.form.long, bitsOf(int(n[0])))
	}
	l.notes = packed.Notes(m)
	return nil
}

// maxZeros bounds the bytes of the zero points of a layer that are looked at: the largest layers
// have a tenth.
const maxZeros = 16 << 20

// stack is the number of matrices that stand in front of the dimensions of the parts, 0 if there is no such dimension.
func (l *layer) stack() int {
	if l.family.stacks && len(l.codes.Shape) == 3 {
		return l.codes.Shape[0]
	}
	return 0
}

// packed returns a part with its elements.
func (l *layer) packed(t *checkpoint.Tensor, data []byte) packed.Part {
	p := packed.Part{DType: t.DType, Shape: t.Shape, Data: data}
	if l.family.flat {
		p.Shape = []int{t.Shape[0], product(t.Shape[1:])}
	}
	if n := l.stack(); n > 0 && len(t.Shape) == 3 && t.Shape[0] == n && t.Shape[1] > 0 && n <= maxStacked/t.Shape[1] {
		p.Shape = []int{n * t.Shape[1], t.Shape[2]}
	}
	return p
}

// maxStacked bounds the rows of all matrices of a stack.
const maxStacked = 1 << 30

// An encoding decodes the weights of a layer.
type encoding struct{ layer *layer }

var _ checkpoint.PlacedEncoding = encoding{}

// Name returns how the weights are stored.
func (e encoding) Name() string { return e.layer.form.long }

// ID has the layout with its parameters, and the names, types and shapes of the parts.
func (e encoding) ID() string {
	id := fmt.Sprintf("%T%+v %v", e.layer.form.layout, e.layer.form.layout, e.layer.shape)
	for i, p := range e.layer.parts {
		id += fmt.Sprintf(" %s %v %v", e.layer.names[i], p.DType, p.Shape)
	}
	return id
}

// Block returns one weight, of a size that is not known.
func (encoding) Block() (weights, bytes int) { return 1, 0 }

// Decode is not called: it panics.
func (encoding) Decode([]float32, []byte) {
	panic("quantized: weights are decoded through what Open returns")
}

// Open returns the encoding with the bytes of the parts, one after the other.
func (e encoding) Open(stored []byte) (checkpoint.BoundEncoding, error) {
	l := e.layer
	if int64(len(stored)) != l.size() {
		return nil, checkpoint.Corruptf("%d bytes for a layer of %d", len(stored), l.size())
	}
	parts := packed.Parts{}
	for i, name := range l.names {
		n := l.parts[i].Size
		parts[name] = l.packed(l.parts[i], stored[:n:n])
		stored = stored[n:]
	}
	m, err := l.form.layout.Open(parts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.form.short, err)
	}
	b := bound{encoding: e, matrix: m}
	if b.rows, b.cols = m.Dims(); !l.family.flat && b.cols != l.shape[len(l.shape)-1] || b.rows*b.cols != product(l.shape) {
		return nil, checkpoint.Corruptf("%s: %d×%d weights, where the shape was %v when the file was opened", l.form.short, b.rows, b.cols, l.shape)
	}
	return b, nil
}

// product is that of dimensions that were checked.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// A bound encoding has the bytes of its layer.
type bound struct {
	encoding
	matrix     packed.Matrix
	rows, cols int
}

// DecodeAt writes the weights from index first on to dst, row by row.
func (b bound) DecodeAt(dst []float32, first int) {
	for len(dst) > 0 {
		col := first % b.cols
		n := min(len(dst), b.cols-col)
		b.matrix.Decode(dst[:n], first/b.cols, col)
		dst, first = dst[n:], first+n
	}
}
