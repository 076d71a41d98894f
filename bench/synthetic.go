package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// SyntheticConfig describes a checkpoint with the tensors of a LLaMA model without
// embeddings: seven matrices and two norms per block.
type SyntheticConfig struct {
	Hidden int // width of the residual stream
	KV     int // width of keys and values together
	MLP    int // width of the feed-forward layer
	Blocks int
	DType  checkpoint.DType // must be analysable
	// Tail is the exponent of the distribution of squared row norms, P(s² > x) ~
	// x^-Tail; the density of the eigenvalues of WᵀW then falls as x^-(Tail+1).
	Tail float64
	Seed uint64
}

// DefaultSyntheticConfig returns one block in the shapes of a model of half a
// billion weights, in bfloat16, with exponents near 3.
func DefaultSyntheticConfig() SyntheticConfig {
	return SyntheticConfig{Hidden: 896, KV: 128, MLP: 4864, Blocks: 1, DType: checkpoint.BF16, Tail: 2, Seed: 1}
}

// Validate returns an error for the first field that has no valid value.
func (c *SyntheticConfig) Validate() error {
	switch {
	case min(c.Hidden, c.KV, c.MLP, c.Blocks) < 1:
		return fmt.Errorf("a checkpoint of %d blocks of %d, %d and %d: all must be positive", c.Blocks, c.Hidden, c.KV, c.MLP)
	case c.DType.Encoding() == nil:
		return fmt.Errorf("%v holds no weights", c.DType)
	case !(c.Tail > 0):
		return fmt.Errorf("the tail exponent %g is not positive", c.Tail)
	}
	return nil
}

// Weights returns the number of weights of the matrices of all blocks.
func (c *SyntheticConfig) Weights() int64 {
	h, kv, mlp := int64(c.Hidden), int64(c.KV), int64(c.MLP)
	return int64(c.Blocks) * (2*h*h + 2*kv*h + 3*mlp*h)
}

// A matrix is a tensor to write: a matrix of rows×cols, or a norm of one row.
type matrix struct {
	name       string
	rows, cols int
	norm       bool
}

func (c *SyntheticConfig) tensors() []matrix {
	var all []matrix
	for b := range c.Blocks {
		add := func(name string, rows, cols int, norm bool) {
			all = append(all, matrix{fmt.Sprintf("model.layers.%d.%s.weight", b, name), rows, cols, norm})
		}
		add("input_layernorm", 1, c.Hidden, true)
		add("self_attn.q_proj", c.Hidden, c.Hidden, false)
		add("self_attn.k_proj", c.KV, c.Hidden, false)
		add("self_attn.v_proj", c.KV, c.Hidden, false)
		add("self_attn.o_proj", c.Hidden, c.Hidden, false)
		add("post_attention_layernorm", 1, c.Hidden, true)
		add("mlp.gate_proj", c.MLP, c.Hidden, false)
		add("mlp.up_proj", c.MLP, c.Hidden, false)
		add("mlp.down_proj", c.Hidden, c.MLP, false)
	}
	return all
}

// rowsOf returns a function that makes the rows of m one after the other: normally
// distributed numbers, times a factor for each row whose square has a Pareto
// distribution. The rows depend on the seed and the name of m only.
func (c *SyntheticConfig) rowsOf(m *matrix) func(dst []float32) {
	name := fnv.New64a()
	io.WriteString(name, m.name)
	rnd := rand.New(rand.NewPCG(c.Seed, name.Sum64()))
	if m.norm {
		return func(dst []float32) {
			for i := range dst {
				dst[i] = 1
			}
		}
	}
	base := 1 / math.Sqrt(float64(m.cols))
	return func(dst []float32) {
		scale := base * math.Pow(1-rnd.Float64(), -1/(2*c.Tail))
		for i := range dst {
			dst[i] = float32(scale * rnd.NormFloat64())
		}
	}
}

// WriteSynthetic writes the checkpoint that cfg describes to dir/model.safetensors
// and returns that path. The bytes depend on cfg only (and, in the last bits of weights,
// on the math functions of the architecture). It holds one row in memory.
func WriteSynthetic(ctx context.Context, dir string, cfg SyntheticConfig) (path string, err error) {
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "model.safetensors")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	all := cfg.tensors()
	if err := writeHeader(w, all, cfg.DType); err != nil {
		return "", err
	}
	for i := range all {
		m := &all[i]
		row := make([]float32, m.cols)
		stored := make([]byte, m.cols*cfg.DType.Bits()/8)
		fill := cfg.rowsOf(m)
		for range m.rows {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			fill(row)
			cfg.DType.Encode(stored, row)
			if _, err := w.Write(stored); err != nil {
				return "", err
			}
		}
	}
	return path, w.Flush()
}

// writeHeader writes the length and the JSON text of a safetensors header for data that
// follow in the order of all, without gaps. encoding/json sorts the names, which does not
// matter: readers use the offsets.
func writeHeader(w io.Writer, all []matrix, d checkpoint.DType) error {
	type entry struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	end := int64(0)
	for i := range all {
		m := &all[i]
		shape := []int{m.rows, m.cols}
		if m.norm {
			shape = shape[1:]
		}
		begin := end
		end += int64(m.rows) * int64(m.cols) * int64(d.Bits()/8)
		header[m.name] = entry{d.String(), shape, [2]int64{begin, end}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(text))); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
