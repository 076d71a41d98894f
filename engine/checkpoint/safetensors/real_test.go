package safetensors

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// optional returns path, that of a file outside the repository, or skips the test if there
// is no such file.
func optional(t *testing.T, path string) string {
	t.Helper()
	path = filepath.FromSlash("../../../../shared/" + path)
	if _, err := os.Stat(path); err != nil {
		t.Skip("this checkout has no copy of the file")
	}
	return path
}

func TestOfficialFiles(t *testing.T) {
	for _, tc := range []struct {
		path    string
		tensors int
		bytes   int64
		first   string // in natural order, as Python's json module reads the header
	}{
		{"golden/gosrc-lm/model.safetensors", 40, 13081344, "lm_head.weight F16 [256 384]"},
		{"third-party/silero_vad_16k.safetensors", 15, 1238532, "conv1.bias F32 [128]"},
	} {
		t.Run(filepath.Base(tc.path), func(t *testing.T) {
			c := mustOpen(t, optional(t, tc.path))
			var total int64
			for _, tensor := range c.Tensors() {
				total += tensor.Size
			}
			first := c.Tensors()[0]
			if got := fmt.Sprint(first.Name, " ", first.DType, " ", first.Shape); len(c.Tensors()) != tc.tensors || total != tc.bytes || got != tc.first {
				t.Errorf("%d tensors of %d bytes, first %s; want %d of %d, %s", len(c.Tensors()), total, got, tc.tensors, tc.bytes, tc.first)
			}
			checkInvariants(t, c.Files()[0].Size, c)
		})
	}
}

const sample = "../../../examples/gosrc-lm"

// digests returns the type, shape and SHA-256 of every tensor by name.
func digests(t *testing.T, c *Checkpoint) map[string]string {
	t.Helper()
	d := make(map[string]string)
	for i := range c.Tensors() {
		tensor := &c.Tensors()[i]
		data := make([]byte, tensor.Size)
		if err := c.ReadTensor(data, tensor); err != nil {
			t.Fatal(err)
		}
		d[tensor.Name] = fmt.Sprintf("%s %v %x", tensor.DType, tensor.Shape, sha256.Sum256(data))
	}
	return d
}

func TestSample(t *testing.T) {
	c := mustOpen(t, filepath.FromSlash(sample))
	if len(c.Tensors()) != 40 || len(c.Files()) != 2 {
		t.Errorf("%d tensors in %d files, want 40 in 2", len(c.Tensors()), len(c.Files()))
	}
	var total int64
	for i := range c.Tensors() {
		total += c.Tensors()[i].Size
	}
	at := c.index.totalSize
	if got := string(c.index.text[at.start:at.end]); got != fmt.Sprint(total) {
		t.Errorf("total_size is %s, want %d", got, total)
	}
	for _, f := range c.Files() {
		if f.Metadata["format"] != "pt" || f.Metadata["name"] != "gosrc-lm" {
			t.Errorf("%s: metadata %v", f.Name, f.Metadata)
		}
	}
}

// TestSampleIsTheModel compares the sample with the file that it was split from.
func TestSampleIsTheModel(t *testing.T) {
	whole := digests(t, mustOpen(t, optional(t, "golden/gosrc-lm/model.safetensors")))
	parts := digests(t, mustOpen(t, filepath.FromSlash(sample)))
	if len(whole) != len(parts) {
		t.Errorf("%d tensors, want %d", len(parts), len(whole))
	}
	for name, want := range whole {
		if parts[name] != want {
			t.Errorf("%q: %s, want %s", name, parts[name], want)
		}
	}
}

// TestRewriteSample converts the sample to F32 and back. Every byte of every shard must be
// as before, because its headers are spelt as retype spells them.
func TestRewriteSample(t *testing.T) {
	to := func(dtype checkpoint.DType) checkpoint.RewriteOptions {
		return checkpoint.RewriteOptions{
			DType: func(*checkpoint.Tensor) checkpoint.DType { return dtype },
			Tensor: func(t *checkpoint.Tensor, src []byte) ([]byte, error) {
				values := make([]float32, t.Elements())
				t.Encoding.Decode(values, src)
				out := make([]byte, len(values)*dtype.Bits()/8)
				dtype.Encode(out, values)
				return out, nil
			},
		}
	}
	src := mustOpen(t, filepath.FromSlash(sample))
	wide, back := t.TempDir(), t.TempDir()
	if _, err := src.Rewrite(context.Background(), wide, to(checkpoint.F32)); err != nil {
		t.Fatal(err)
	}
	paths, err := mustOpen(t, wide).Rewrite(context.Background(), back, to(checkpoint.F16))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		got, want := sha256.Sum256(readFile(t, path)), sha256.Sum256(readFile(t, filepath.Join(sample, filepath.Base(path))))
		if got != want {
			t.Errorf("%s: SHA-256 %s, want %s", filepath.Base(path), hex.EncodeToString(got[:]), hex.EncodeToString(want[:]))
		}
	}
}
