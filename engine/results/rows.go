package results

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A line is one line of a file of rows: a row, the record of a tensor without rows, or
// the outcome of the writer, which is the last line if it came to its end.
type line struct {
	Row     *rowLine    `json:"row,omitempty"`
	Tensor  *tensorLine `json:"tensor,omitempty"`
	Outcome *Outcome    `json:"outcome,omitempty"`
}

type rowLine struct {
	Tensor     string           `json:"tensor"`
	Layer      int              `json:"layer"` // among the matrices of a stack
	LongName   string           `json:"longname"`
	Level      string           `json:"quantization"`
	Status     engine.RowStatus `json:"status"`
	Reason     string           `json:"reason,omitempty"`
	SHA256     string           `json:"sha256"` // of the stored bytes of the tensor
	Method     spectrum.Method  `json:"method,omitempty"`
	TraceError float64          `json:"trace_error"`
	Bits       float64          `json:"bits_per_weight,omitempty"`
	Scheme     string           `json:"scheme,omitempty"`
	Note       string           `json:"note,omitempty"`
	Seconds    float64          `json:"seconds"`
	Bytes      int64            `json:"bytes"`
	Values     values           `json:"values"`
}

type tensorLine struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Reason string `json:"reason,omitempty"` // why it is refused; none for a duplicate
}

// values are those of all metrics. In JSON they are an object with the names of the
// columns; a number that does not exist is null, infinite ones are the strings inf and
// -inf.
type values []float64

func (v values) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, c := range metric.Columns() {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, c.Name)
		b = append(b, ':')
		switch x := v[i]; {
		case math.IsNaN(x):
			b = append(b, "null"...)
		case math.IsInf(x, 1):
			b = append(b, `"inf"`...)
		case math.IsInf(x, -1):
			b = append(b, `"-inf"`...)
		default:
			b = strconv.AppendFloat(b, x, 'g', -1, 64)
		}
	}
	return append(b, '}'), nil
}

// maxCount is the largest number up to which float64 holds every integer.
const maxCount = 1 << 53

// UnmarshalJSON leaves out columns that this program does not know; those that it does
// not find are NaN.
func (v *values) UnmarshalJSON(data []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	if fields == nil {
		return errors.New("values are null")
	}
	*v = metric.None()
	for name, field := range fields {
		i, known := metric.Index(name)
		if !known {
			continue
		}
		switch x := field.(type) {
		case nil:
		case float64:
			(*v)[i] = x
		default:
			switch x {
			case "inf":
				(*v)[i] = math.Inf(1)
			case "-inf":
				(*v)[i] = math.Inf(-1)
			default:
				return fmt.Errorf("column %s: %s is no number", checkpoint.Quote(name), checkpoint.Quote(fmt.Sprint(x)))
			}
		}
		if x := (*v)[i]; metric.Columns()[i].Kind == metric.Count && !math.IsNaN(x) && !(x == math.Trunc(x) && math.Abs(x) <= maxCount) {
			return fmt.Errorf("column %s: %g is no count", checkpoint.Quote(name), x)
		}
	}
	return nil
}

func lineOf(r *engine.Row) line {
	return line{Row: &rowLine{
		Tensor: r.Layer.Tensor, Layer: r.Layer.Index, LongName: r.Layer.LongName, Level: quant.ShortName(r.Level),
		Status: r.Status, Reason: r.Reason, SHA256: r.SHA256, Method: r.Method, TraceError: r.TraceError,
		Seconds: r.Seconds, Bytes: r.Bytes, Bits: r.Bits, Scheme: r.Scheme, Note: r.Note, Values: r.Values,
	}}
}

// content is what files of rows hold.
type content struct {
	rows     []engine.Row
	records  []engine.TensorRecord
	outcomes []Outcome
}

// A reader turns lines into rows of the layers of a plan.
type reader struct {
	layers  map[layerKey]*engine.Layer
	planned map[string]bool // tensors that have layers
	levels  map[string]quant.Recipe
	hashes  map[string]string // of the tensors that rows or records name
	alone   map[string]bool   // tensors that have a record, and so no rows
	seen    map[rowKey]bool
	content
}

type layerKey struct {
	tensor string
	layer  int
}

type rowKey struct {
	layerKey
	level string
}

func newReader(plan *engine.Plan, levels []quant.Recipe) *reader {
	r := &reader{
		layers: map[layerKey]*engine.Layer{}, planned: map[string]bool{}, levels: map[string]quant.Recipe{},
		hashes: map[string]string{}, alone: map[string]bool{}, seen: map[rowKey]bool{},
	}
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		for j := range ts.Layers {
			r.layers[layerKey{ts.Name, ts.Layers[j].Index}] = &ts.Layers[j]
			r.planned[ts.Name] = true
		}
	}
	for _, l := range levels {
		r.levels[quant.ShortName(l)] = l
	}
	return r
}

// maxLineBytes bounds a line that is read.
const maxLineBytes = 16 << 20

// file reads one file of rows, which lies in the folder root. A last line without its end
// is that of a writer that was killed, and left out.
func (r *reader) file(root *os.Root, name string) error {
	where := filepath.ToSlash(filepath.Join(root.Name(), filepath.FromSlash(name)))
	info, err := root.Stat(filepath.FromSlash(name))
	var errno syscall.Errno
	switch {
	case err != nil && !errors.As(err, &errno): // a link that leads out of the folder
		return checkpoint.Corruptf("%s: %w", where, checkpoint.Cause(err))
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return checkpoint.Corruptf("%s: not a regular file", where)
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer f.Close()
	in, ended := bufio.NewReaderSize(f, 1<<16), false
	for n := 1; ; n++ {
		text, err := readLine(in)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &errno):
			return fmt.Errorf("%s: line %d: %w", where, n, err)
		case err == nil && ended:
			err = errors.New("it follows the outcome")
		case err == nil:
			ended, err = r.line(text)
		}
		if err != nil {
			return checkpoint.Corruptf("%s: line %d: %w", where, n, err)
		}
	}
}

// readLine returns the next whole line, io.EOF if there is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := in.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > maxLineBytes:
			return nil, fmt.Errorf("longer than %d bytes", maxLineBytes)
		case err == nil:
			return text, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// line takes in one line and reports whether it is the outcome, and so the last one.
func (r *reader) line(text []byte) (ended bool, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return false, err
	}
	parts := 0
	for _, there := range []bool{l.Row != nil, l.Tensor != nil, l.Outcome != nil} {
		if there {
			parts++
		}
	}
	switch {
	case parts != 1:
		return false, errors.New("neither a row nor a tensor nor an outcome, or more than one of them")
	case l.Row != nil:
		return false, r.row(l.Row)
	case l.Tensor != nil:
		return false, r.tensor(l.Tensor)
	}
	r.outcomes = append(r.outcomes, *l.Outcome)
	return true, l.Outcome.check()
}

func (r *reader) tensor(l *tensorLine) error {
	_, known := r.hashes[l.Name]
	switch {
	case !r.planned[l.Name]:
		return fmt.Errorf("tensor %s is not in the plan", checkpoint.Quote(l.Name))
	case l.SHA256 == "":
		return fmt.Errorf("tensor %s has no hash", checkpoint.Quote(l.Name))
	case known:
		return fmt.Errorf("tensor %s has rows, or a record, already", checkpoint.Quote(l.Name))
	}
	r.hashes[l.Name], r.alone[l.Name] = l.SHA256, true
	r.records = append(r.records, engine.TensorRecord{Tensor: l.Name, SHA256: l.SHA256, Reason: l.Reason})
	return nil
}

// statuses are those of rows that a writer writes.
var statuses = []engine.RowStatus{engine.RowSuccess, engine.RowFailed, engine.RowDegenerate, engine.RowRefused}

// maxBits bounds the bits of a weight: a matrix of one weight may have many for its scales.
const maxBits = 1 << 16

func (r *reader) row(l *rowLine) error {
	key := rowKey{layerKey{l.Tensor, l.Layer}, l.Level}
	layer, level := r.layers[key.layerKey], r.levels[l.Level]
	hash, known := r.hashes[l.Tensor]
	switch {
	case layer == nil:
		return fmt.Errorf("layer %d of tensor %s is not in the plan", l.Layer, checkpoint.Quote(l.Tensor))
	case level == nil:
		return fmt.Errorf("level %s is not among the options", checkpoint.Quote(l.Level))
	case l.LongName != "" && l.LongName != layer.LongName:
		return fmt.Errorf("layer %d of tensor %s is called %s", l.Layer, checkpoint.Quote(l.Tensor), checkpoint.Quote(l.LongName))
	case !(l.Bits >= 0 && l.Bits <= maxBits):
		return fmt.Errorf("%g bits per weight", l.Bits)
	case r.seen[key] || r.alone[l.Tensor]:
		return fmt.Errorf("layer %d of tensor %s at %s is there twice", l.Layer, checkpoint.Quote(l.Tensor), l.Level)
	case l.SHA256 == "" || known && l.SHA256 != hash:
		return fmt.Errorf("the hash of tensor %s is %s, in other rows %s", checkpoint.Quote(l.Tensor), checkpoint.Quote(l.SHA256), checkpoint.Quote(hash))
	case !slices.Contains(statuses, l.Status):
		return fmt.Errorf("unknown status %s", checkpoint.Quote(string(l.Status)))
	case l.Seconds < 0 || l.Bytes < 0 || l.TraceError < 0:
		return fmt.Errorf("%g seconds, %d bytes, error %g", l.Seconds, l.Bytes, l.TraceError)
	case l.Values == nil:
		return errors.New("a row without values")
	}
	r.seen[key], r.hashes[l.Tensor] = true, l.SHA256
	r.rows = append(r.rows, engine.Row{
		Layer: layer, Level: level, Status: l.Status, Reason: l.Reason, Values: l.Values,
		SHA256: l.SHA256, Method: l.Method, TraceError: l.TraceError, Seconds: l.Seconds, Bytes: l.Bytes, Bits: l.Bits, Scheme: l.Scheme, Note: l.Note,
	})
	return nil
}
