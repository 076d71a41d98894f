package safetensors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

func allTypes() []checkpoint.DType {
	var types []checkpoint.DType
	for d := checkpoint.InvalidDType + 1; d.Bits() > 0; d++ {
		types = append(types, d)
	}
	return types
}

func openSource(path string) (checkpoint.Source, error) {
	c, err := Open(path)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func TestSource(t *testing.T) {
	for name, write := range map[string]func(testing.TB, string, []testsource.Tensor) string{
		"file": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			path := filepath.Join(dir, "weights.safetensors")
			writeFile(tb, path, testsource.Safetensors(tensors, nil))
			return path
		},
		"shards": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			writeShards(tb, dir, tensors)
			return dir
		},
		"index": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			writeIndex(tb, dir, writeShards(tb, dir, tensors))
			return dir
		},
		"index named": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			return writeIndex(tb, dir, writeShards(tb, dir, tensors))
		},
	} {
		t.Run(name, func(t *testing.T) {
			testsource.Test(t, testsource.Format{
				Name: "safetensors", DTypes: allTypes(), Write: write, Open: openSource,
			})
		})
	}
}

func writeFile(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		tb.Fatal(err)
	}
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

const (
	shard1 = "model-00001-of-00002.safetensors"
	shard2 = "model-00002-of-00002.safetensors"
)

// writeShards writes the tensors to the shards in turn and returns the weight_map.
func writeShards(tb testing.TB, dir string, tensors []testsource.Tensor) map[string]string {
	names := [2]string{shard1, shard2}
	var parts [2][]testsource.Tensor
	weightMap := make(map[string]string)
	for i, tensor := range tensors {
		parts[i%2] = append(parts[i%2], tensor)
		weightMap[tensor.Name] = names[i%2]
	}
	for i, name := range names {
		metadata := map[string]string{"format": "pt", "part": name}
		writeFile(tb, filepath.Join(dir, name), testsource.Safetensors(parts[i], metadata))
	}
	return weightMap
}

// writeIndex writes the index for a weight_map and returns its path.
func writeIndex(tb testing.TB, dir string, weightMap map[string]string) string {
	text, err := json.Marshal(map[string]any{
		"metadata":   map[string]any{"total_size": 1, "note": []any{nil, true, "x"}},
		"weight_map": weightMap,
		"other":      map[string]any{"a": 1.5},
	})
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors.index.json")
	writeFile(tb, path, text)
	return path
}
