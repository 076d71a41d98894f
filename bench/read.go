package bench

import (
	"context"
	"fmt"
	"os"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
)

// ReadConfig configures the suite read.
//
// The suite read times two ways to read a safetensors file: "safetensors" opens it and reads
// every tensor into a buffer that is reused; "pread" reads the same byte ranges with plain
// reads. The file is in the page cache after the first run, which is not counted. Rates
// count the bytes of the tensors once.
type ReadConfig struct {
	Timing
	Model SyntheticConfig
	Dir   string // folder for the file; "" is the temporary folder of the system
}

// DefaultReadConfig returns a configuration with a file of 119 MB, which is larger than
// most third-level caches.
func DefaultReadConfig() ReadConfig {
	c := ReadConfig{Timing: DefaultTiming(), Model: DefaultSyntheticConfig()}
	c.Model.Blocks = 4
	return c
}

// FullReadConfig returns a configuration with a file of 0.95 GB.
func FullReadConfig() ReadConfig {
	c := DefaultReadConfig()
	c.Model.Blocks = 32
	return c
}

func (c ReadConfig) suite() (*suite, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := c.Model.Validate(); err != nil {
		return nil, err
	}
	return &suite{
		name: "read", key: "op", timing: c.Timing, reference: "pread",
		cases: []*testCase{{
			params:   []Param{param("tensors", len(c.Model.tensors())), param("MB", c.Model.Weights()*int64(c.Model.DType.Bits()/8)/1e6)},
			variants: []string{"safetensors", "pread"},
			open:     func(ctx context.Context) (*inputs, error) { return openRead(ctx, c) },
		}},
	}, nil
}

func openRead(ctx context.Context, c ReadConfig) (*inputs, error) {
	path, remove, err := temporaryModel(ctx, c.Dir, c.Model)
	if err != nil {
		return nil, err
	}
	in, err := readers(path)
	if err != nil {
		remove()
		return nil, err
	}
	in.close = remove
	return in, nil
}

// readers returns the two ways to read the file at path.
func readers(path string) (*inputs, error) {
	src, _, err := open.Open(path, open.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	tensors := src.Tensors()
	total, largest := int64(0), int64(0)
	for i := range tensors {
		total += tensors[i].Size
		largest = max(largest, tensors[i].Size)
	}
	buf := make([]byte, largest)
	way := func(run func() error) variant {
		// Each byte is read from the page cache and written to the buffer.
		return variant{run: run, work: []work{{float64(total) / 1e9, "GB/s"}}, bytes: total}
	}
	return &inputs{variants: []variant{
		way(func() error { return readModel(path, buf) }),
		way(func() error { return readPlain(path, buf, tensors) }),
	}}, nil
}

func readModel(path string, buf []byte) error {
	src, _, err := open.Open(path, open.Options{})
	if err != nil {
		return err
	}
	defer src.Close()
	for i := range src.Tensors() {
		t := &src.Tensors()[i]
		if err := src.ReadTensor(buf[:t.Size], t); err != nil {
			return err
		}
	}
	return nil
}

func readPlain(path string, buf []byte, tensors []checkpoint.Tensor) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range tensors {
		if _, err := f.ReadAt(buf[:tensors[i].Size], tensors[i].Offset); err != nil {
			return err
		}
	}
	return nil
}

// temporaryModel writes a synthetic checkpoint to a new folder below dir.
func temporaryModel(ctx context.Context, dir string, cfg SyntheticConfig) (path string, remove func(), err error) {
	folder, err := os.MkdirTemp(dir, "wwq-bench-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(folder) }
	path, err = WriteSynthetic(ctx, folder, cfg)
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("synthetic checkpoint: %w", err)
	}
	return path, remove, nil
}
