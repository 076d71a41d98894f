package quantized

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Source is a checkpoint whose quantized layers are tensors of weights. All methods but Close
// are safe for concurrent use if those of the checkpoint are.
type Source struct {
	checkpoint.Source
	tensors []checkpoint.Tensor
	layers  map[string]*layer // those that are read, by the names of their weights
	inside  map[string]*layer // the same, by the names of their stored tensors
	refused []string          // names of stored tensors of codes that are not read
	notes   []string
	model   object // config.json
}

var (
	_ checkpoint.Noted    = (*Source)(nil)
	_ checkpoint.Rewriter = (*Source)(nil)
	_ checkpoint.Ordered  = (*Source)(nil)
)

// New returns src with each quantized layer that can be read as one tensor of weights, and the
// reason at each that cannot; src itself if there are none. It reads the configuration in the folder
// of src, and of the layers the small tensors that say dimensions, and the zero points of GPTQ where
// programs may disagree about them. Closing what it returns closes src.
func New(src checkpoint.Source) checkpoint.Source {
	f := newFinder(src)
	f.find()
	if len(f.layers) == 0 && len(f.refusals) == 0 {
		return src
	}
	s := &Source{Source: src, layers: map[string]*layer{}, inside: map[string]*layer{}, model: f.config.model}
	for _, l := range f.layers {
		if l.err != nil {
			f.refusals[l.codes.Name] = l.refusal()
			continue
		}
		s.layers[l.name] = l
		for _, t := range slices.Concat(l.parts, l.beside) {
			s.inside[t.Name] = l
		}
	}
	for i := range src.Tensors() {
		t := src.Tensors()[i]
		l := s.inside[t.Name]
		switch {
		case l == nil:
			if reason, ok := f.refusals[t.Name]; ok {
				t.Refusal, t.Encoding = reason, nil
				s.refused = append(s.refused, t.Name)
			}
			s.tensors = append(s.tensors, t)
		case t.Name == l.codes.Name:
			s.tensors = append(s.tensors, l.tensor())
		}
	}
	checkpoint.SortTensors(s.tensors)
	s.notes = f.notes()
	return s
}

// Tensors lists the layers that are read as tensors of weights, without their stored tensors, and
// all others as they are stored, in natural order of the names. The caller must not change the
// slice.
func (s *Source) Tensors() []checkpoint.Tensor { return s.tensors }

// Notes returns those of the checkpoint, and how its weights are quantized.
func (s *Source) Notes() []string {
	var notes []string
	if noted, ok := s.Source.(checkpoint.Noted); ok {
		notes = slices.Clone(noted.Notes())
	}
	return append(notes, s.notes...)
}

// ReadTensor fills dst with the bytes of t: of a layer, those of its stored tensors one after the
// other. Errors name the stored tensor.
func (s *Source) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	l := s.layers[t.Name]
	if l == nil {
		return s.Source.ReadTensor(dst, t)
	}
	if whole := l.tensor(); t.Size != whole.Size || int64(len(dst)) != t.Size || t.File != whole.File || t.Offset != whole.Offset {
		err := fmt.Errorf("buffer of %d bytes for %d, from %d of the file on, want %d from %d on", len(dst), t.Size, t.Offset, whole.Size, whole.Offset)
		return &checkpoint.TensorError{File: t.File, Tensor: t.Name, Err: err}
	}
	for _, part := range l.parts {
		if err := s.Source.ReadTensor(dst[:part.Size], part); err != nil {
			return err
		}
		dst = dst[part.Size:]
	}
	return nil
}

// sentence makes a reason of an error: without the class, on one line.
func sentence(err error) string {
	var te *checkpoint.TensorError
	if errors.As(err, &te) {
		err = te.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
