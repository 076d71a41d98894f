package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
)

// An Exported describes one file of [Export]: a matrix of raw numbers, little-endian and
// row-major, on which other programs can be timed.
type Exported struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // "gram": input of the eigenvalue suite; "layer": of the whole suite
	File  string `json:"file"`
	DType string `json:"dtype"` // "f64" or "f32"
	Rows  int    `json:"rows"`
	Cols  int    `json:"cols"`
}

// Export writes to dir the matrices of the suite eigenvalues, in float64, the first model
// of the suite whole as model.safetensors, the matrices of its first block in float32, and
// index.json, a list of [Exported].
func Export(ctx context.Context, dir string, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if len(cfg.Whole.Models) == 0 {
		return fmt.Errorf("no model to export")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var index []Exported
	for _, n := range cfg.Eigenvalues.Orders {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e := Exported{Name: fmt.Sprintf("gram-%d", n), Kind: "gram", DType: "f64", Rows: n, Cols: n}
		e.File = e.Name + ".f64"
		if err := writeRaw(filepath.Join(dir, e.File), gramMatrix[float64](n)); err != nil {
			return err
		}
		index = append(index, e)
	}
	model, err := WriteSynthetic(ctx, dir, cfg.Whole.Models[0])
	if err != nil {
		return err
	}
	layers, err := exportBlock(dir, model)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(append(index, layers...), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.json"), append(text, '\n'), 0o666)
}

// exportBlock writes the matrices of the first block of the checkpoint model.
func exportBlock(dir, model string) ([]Exported, error) {
	src, _, err := open.Open(model, open.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var all []Exported
	for i := range src.Tensors() {
		t := &src.Tensors()[i]
		var block int
		if _, err := fmt.Sscanf(t.Name, "model.layers.%d.", &block); err != nil || block != 0 || len(t.Shape) != 2 {
			continue
		}
		stored, x := make([]byte, t.Size), make([]float32, t.Elements())
		if err := src.ReadTensor(stored, t); err != nil {
			return nil, err
		}
		t.Encoding.Decode(x, stored)
		e := Exported{Name: t.Name, Kind: "layer", File: t.Name + ".f32", DType: "f32", Rows: t.Shape[0], Cols: t.Shape[1]}
		if err := writeRaw(filepath.Join(dir, e.File), x); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func writeRaw[T float32 | float64](path string, x []T) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := bufio.NewWriter(f)
	if err := writeNumbers(w, x); err != nil {
		return err
	}
	return w.Flush()
}

// writeNumbers writes x in little-endian form. It converts a part at a time, to avoid a
// second copy of x in memory.
func writeNumbers[T float32 | float64](w io.Writer, x []T) error {
	for len(x) > 0 {
		n := min(len(x), 1<<16)
		if err := binary.Write(w, binary.LittleEndian, x[:n]); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}
