// Package checkpoint describes opened checkpoints: which tensors there are,
// what they are made of, and how to read their bytes. It knows no file format;
// each format is a package below this one that returns a [Source].
package checkpoint

import (
	"errors"
	"fmt"
)

// ErrCorrupt marks errors caused by a file that breaks its format: a truncated
// header, overlapping byte ranges, a missing shard. Test with errors.Is.
var ErrCorrupt = errors.New("corrupt checkpoint")

// ErrIncomplete marks errors of class [ErrCorrupt] that files which are not there cause.
// Test with errors.Is.
var ErrIncomplete = fmt.Errorf("incomplete: %w", ErrCorrupt)

// ErrUnsupported marks errors caused by a well-formed input that the project
// cannot read. Test with errors.Is.
var ErrUnsupported = errors.New("unsupported checkpoint")

// ErrNotFound marks errors caused by a model that is not there. Test with
// errors.Is.
var ErrNotFound = errors.New("model not found")

// A Source is an opened checkpoint. All methods but Close may be called
// concurrently.
type Source interface {
	// Format is the short name of the file format, such as "safetensors".
	Format() string
	// Path is the file or folder that was opened.
	Path() string
	// Files lists the files of the checkpoint in the order of their names.
	Files() []File
	// Tensors lists every tensor of the checkpoint in natural order of the
	// names (see [NaturalLess]). The caller must not change the slice.
	Tensors() []Tensor
	// ReadTensor fills dst with the stored bytes of t, little-endian and
	// row-major. len(dst) must be t.Size. It fails with ErrCorrupt if the
	// file has become shorter since it was opened.
	ReadTensor(dst []byte, t *Tensor) error
	Close() error
}

// A Noted is a [Source] about which the user should know something.
type Noted interface {
	Source
	// Notes returns sentences on how the files were chosen and what was left out,
	// each fit for one line of a terminal.
	Notes() []string
}

// A Modelled is a [Source] whose files say what model they hold.
type Modelled interface {
	Source
	// Model returns the shape of the language model. What is not known is 0 or empty.
	Model() LanguageModel
}

// An Ordered is a [Source] that may read weights in another order than that in which
// floating-point models of its kind store them.
type Ordered interface {
	Source
	// FloatOrder returns an error that says so, nil if the order is the same.
	FloatOrder() error
}

// A File is one file of a checkpoint.
type File struct {
	Name         string // base name
	Size         int64  // bytes
	HeaderSHA256 string // hex digest of the header that describes the tensors
	Metadata     map[string]string
}

// A Tensor describes one stored tensor.
type Tensor struct {
	Name string
	// DType is InvalidDType if the file stores the tensor in a type that the
	// project does not know; such a tensor can be listed and copied.
	DType    DType
	TypeName string // of the element type, as the file names it
	// Encoding says how to read the tensor as weights. It is nil if it cannot be
	// read so: the tensor is listed and copied only.
	Encoding Encoding
	// Refusal says in a sentence why the tensor, which holds weights, cannot be read as such: of
	// codes that are not decoded. It is empty where Encoding is not nil.
	Refusal string
	Shape   []int  // row-major; empty for a scalar
	File    string // base name of the file that holds it
	Offset  int64  // of the first byte, from the start of the file
	Size    int64  // bytes
}

// StoredType returns the name of the element type as the file has it.
func (t *Tensor) StoredType() string {
	if t.TypeName != "" {
		return t.TypeName
	}
	return t.DType.String()
}

// Elements returns the number of elements of t.
func (t *Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}
