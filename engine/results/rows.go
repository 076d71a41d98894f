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
	"strconv"

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
	Layer      int              `json:"layer"` // among the layers of the tensor
	LongName   string           `json:"longname"`
	Level      string           `json:"quantization"`
	Status     engine.RowStatus `json:"status"`
	Reason     string           `json:"reason,omitempty"`
	SHA256     string           `json:"sha256"` // of the stored bytes of the tensor
	Method     spectrum.Method  `json:"method,omitempty"`
	TraceError float64          `json:"trace_error"`
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

// UnmarshalJSON leaves out columns that this program does not know; those that it does
// not find are NaN.
func (v *values) UnmarshalJSON(data []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
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
				return fmt.Errorf("column %s: %v is no number", checkpoint.Quote(name), x)
			}
		}
	}
	return nil
}

func lineOf(r *engine.Row) line {
	return line{Row: &rowLine{
		Tensor: r.Layer.Tensor, Layer: r.Layer.Index, LongName: r.Layer.LongName, Level: r.Level.Name(),
		Status: r.Status, Reason: r.Reason, SHA256: r.SHA256, Method: r.Method, TraceError: r.TraceError,
		Seconds: r.Seconds, Bytes: r.Bytes, Values: r.Values,
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
	layers map[layerKey]*engine.Layer
	levels map[string]quant.Recipe
	content
}

type layerKey struct {
	tensor string
	layer  int
}

func newReader(plan *engine.Plan, levels []quant.Recipe) *reader {
	r := &reader{layers: map[layerKey]*engine.Layer{}, levels: map[string]quant.Recipe{}}
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		for j := range ts.Layers {
			r.layers[layerKey{ts.Name, j}] = &ts.Layers[j]
		}
	}
	for _, l := range levels {
		r.levels[l.Name()] = l
	}
	return r
}

// maxLineBytes bounds a line that is read.
const maxLineBytes = 16 << 20

// file reads one file of rows. A last line without its end is that of a writer that was
// killed, and left out.
func (r *reader) file(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.line(text)
		}
		if err != nil {
			return checkpoint.Corruptf("%s: line %d: %w", filepath.ToSlash(name), n, err)
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

func (r *reader) line(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	switch {
	case l.Row != nil:
		return r.row(l.Row)
	case l.Tensor != nil:
		if r.layers[layerKey{l.Tensor.Name, 0}] == nil {
			return fmt.Errorf("tensor %s is not in the plan", checkpoint.Quote(l.Tensor.Name))
		}
		r.records = append(r.records, engine.TensorRecord{Tensor: l.Tensor.Name, SHA256: l.Tensor.SHA256, Reason: l.Tensor.Reason})
	case l.Outcome != nil:
		r.outcomes = append(r.outcomes, *l.Outcome)
	default:
		return errors.New("neither a row nor a tensor nor an outcome")
	}
	return nil
}

func (r *reader) row(l *rowLine) error {
	layer, level := r.layers[layerKey{l.Tensor, l.Layer}], r.levels[l.Level]
	switch {
	case layer == nil:
		return fmt.Errorf("layer %d of tensor %s is not in the plan", l.Layer, checkpoint.Quote(l.Tensor))
	case level == nil:
		return fmt.Errorf("level %s is not among the options", checkpoint.Quote(l.Level))
	case l.Values == nil:
		return errors.New("a row without values")
	}
	r.rows = append(r.rows, engine.Row{
		Layer: layer, Level: level, Status: l.Status, Reason: l.Reason, Values: l.Values,
		SHA256: l.SHA256, Method: l.Method, TraceError: l.TraceError, Seconds: l.Seconds, Bytes: l.Bytes,
	})
	return nil
}
