package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// An ExportSummary says what [Export] wrote.
type ExportSummary struct {
	Copied  Tally    // tensors written byte for byte
	Decoded Tally    // tensors stored in codes, or in another type than they are written in
	Rounded Tally    // those of them of which some value was rounded
	LeftOut []Reason // why tensors were not written
}

// Export writes the tensors of src to the safetensors file out at their true values: numbers as
// they are stored, and weights in codes as the float32 numbers that they stand for. With a type
// dtype other than checkpoint.InvalidDType, all floating-point tensors and weights are written in
// it, rounded to nearest even. Tensors in codes that are not read are left out.
//
// A weight that overflows dtype ends it with an error that names the tensor; for other errors see
// [safetensors.Write]. The memory taken is that of the largest tensor as it is stored and as it
// is written.
func Export(ctx context.Context, src checkpoint.Source, out string, dtype checkpoint.DType, overwrite bool) (ExportSummary, error) {
	var sum ExportSummary
	if isSource(src, out) {
		return sum, &checkpoint.FileError{File: out, Err: checkpoint.Outputf("is a file of the source, which is never overwritten")}
	}
	if o, ok := src.(checkpoint.Ordered); ok {
		if err := o.FloatOrder(); err != nil {
			return sum, err
		}
	}
	plan, err := Describe(src, Options{})
	if err != nil {
		return sum, err
	}
	var tensors []checkpoint.Tensor // as they are written
	from := map[string]*checkpoint.Tensor{}
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		t := &ts.Tensor
		if why := ts.unwritable(); why != "" {
			sum.leave(t, why)
			continue
		}
		w, tally := *t, &sum.Copied
		if t.Encoding != nil {
			w.DType = cmp.Or(dtype, numberType(t))
		}
		if w.DType != t.DType {
			_, size := w.DType.Encoding().Block()
			w.Size, tally = t.Elements()*int64(size), &sum.Decoded
		}
		tally.Tensors++
		tally.Parameters += t.Elements()
		tensors = append(tensors, w)
		from[t.Name] = t
	}
	var stored, written []byte
	err = safetensors.Write(ctx, out, tensors, map[string]string{MetadataVersion: Version}, overwrite, func(w *checkpoint.Tensor) ([]byte, error) {
		t := from[w.Name]
		stored = grown(stored, t.Size)
		if err := src.ReadTensor(stored, t); err != nil {
			return nil, err
		}
		if w.DType == t.DType {
			return stored, nil
		}
		written = grown(written, w.Size)
		rounded, err := decode(written, w.DType, t, stored)
		if rounded {
			sum.Rounded.Tensors++
			sum.Rounded.Parameters += t.Elements()
		}
		if errors.Is(err, quant.ErrOverflow) {
			err = checkpoint.Unsupportedf("%w", err)
		}
		if err != nil {
			return nil, &checkpoint.TensorError{File: t.File, Tensor: t.Name, Err: err}
		}
		return written, nil
	})
	return sum, err
}

// unwritable says why a tensor is left out of an export, empty if it is not.
func (t *TensorStatus) unwritable() string {
	switch {
	case !utf8.ValidString(t.Name):
		return "its name is not UTF-8, which the names of safetensors are"
	case t.Encoding != nil:
		return ""
	case t.Kind == KindPacked || t.Kind == KindCompanion:
		return t.Reason
	case strings.HasPrefix(t.DType.String(), "F"): // of 8 bits or fewer
		return fmt.Sprintf("codes of %s, which are not read", t.DType)
	case t.DType == checkpoint.InvalidDType:
		return fmt.Sprintf("stored as %s, which is not read", t.StoredType())
	}
	return ""
}

// isSource reports whether a path leads to a file of a checkpoint.
func isSource(src checkpoint.Source, path string) bool {
	out, err := os.Stat(path)
	if err != nil {
		return false
	}
	dir := src.Path()
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if err == nil && os.SameFile(info, out) {
			return true
		}
		dir = filepath.Dir(dir)
	}
	for _, f := range src.Files() {
		if info, err := os.Stat(filepath.Join(dir, f.Name)); err == nil && os.SameFile(info, out) {
			return true
		}
	}
	return false
}

// leave counts a tensor that is left out.
func (s *ExportSummary) leave(t *checkpoint.Tensor, why string) {
	for i := range s.LeftOut {
		if s.LeftOut[i].Text == why {
			s.LeftOut[i].Tensors++
			s.LeftOut[i].Parameters += t.Elements()
			return
		}
	}
	s.LeftOut = append(s.LeftOut, Reason{why, Tally{1, t.Elements()}})
}

// grown returns a slice of n bytes, b itself if it has room.
func grown(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// decode writes the weights of a stored tensor to dst in a type, and reports whether some was
// rounded.
func decode(dst []byte, to checkpoint.DType, t *checkpoint.Tensor, stored []byte) (rounded bool, err error) {
	if wide, ok := t.Encoding.(checkpoint.WideEncoding); ok {
		return narrow(dst, to, wide, stored)
	}
	status, err := opened(&TensorStatus{Tensor: *t}, stored)
	if err != nil {
		return false, err
	}
	_, size := to.Encoding().Block()
	w := weights.Tensor{Data: stored, Encoding: status.Encoding, Rows: 1, Cols: int(t.Elements())}
	var back []float32
	at := 0
	w.Each(1, func(p quant.Piece) {
		part := dst[at*size:][:len(p.W)*size]
		to.Encode(part, p.W)
		if len(back) < len(p.W) {
			back = make([]float32, len(p.W))
		}
		to.Encoding().Decode(back[:len(p.W)], part)
		for i, v := range p.W {
			rounded = rounded || back[i] != v && v == v
			if math.IsInf(float64(back[i]), 0) && !math.IsInf(float64(v), 0) && err == nil {
				err = fmt.Errorf("weight %g does not fit %v: %w", v, to, quant.ErrOverflow)
			}
		}
		at += len(p.W)
	})
	return rounded, err
}

// narrow is decode for float64 numbers.
func narrow(dst []byte, to checkpoint.DType, enc checkpoint.WideEncoding, stored []byte) (rounded bool, err error) {
	_, from := enc.Block()
	_, size := to.Encoding().Block()
	const n = 1 << 12
	var w [n]float64
	var f, back [n]float32
	for len(stored) > 0 {
		k := min(n, len(stored)/from)
		enc.DecodeWide(w[:k], stored[:k*from])
		for i, v := range w[:k] {
			f[i] = float32(v)
			if to != checkpoint.F32 {
				f[i] = toOdd(v)
			}
		}
		to.Encode(dst[:k*size], f[:k])
		to.Encoding().Decode(back[:k], dst[:k*size])
		for i, v := range w[:k] {
			rounded = rounded || float64(back[i]) != v && v == v
			if math.IsInf(float64(back[i]), 0) && !math.IsInf(v, 0) && err == nil {
				err = fmt.Errorf("weight %g does not fit %v: %w", v, to, quant.ErrOverflow)
			}
		}
		dst, stored = dst[k*size:], stored[k*from:]
	}
	return rounded, err
}

// toOdd returns the float32 number nearest to v towards zero, with its last bit set if it is
// not v: to round it further gives what rounding v at once gives.
func toOdd(v float64) float32 {
	f := float32(v)
	if float64(f) == v || v != v || math.IsInf(v, 0) {
		return f
	}
	b := math.Float32bits(f)
	if math.Abs(float64(f)) > math.Abs(v) {
		b--
	}
	return math.Float32frombits(b | 1)
}
