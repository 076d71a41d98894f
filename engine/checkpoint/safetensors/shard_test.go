package safetensors

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// TestPool reads more shards than are kept open, from several goroutines.
func TestPool(t *testing.T) {
	const shards = 3 * maxOpen
	dir := t.TempDir()
	for i := range shards {
		writeNamed(t, dir, map[string][]string{fmt.Sprintf("model-%d-of-%d.safetensors", i+1, shards): {fmt.Sprintf("t%d", i)}})
	}
	c := mustOpen(t, dir)
	if len(c.Tensors()) != shards || len(c.pool.open) != maxOpen {
		t.Fatalf("%d tensors, %d open files, want %d and %d", len(c.Tensors()), len(c.pool.open), shards, maxOpen)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range c.Tensors() {
				dst := make([]byte, 2)
				if err := c.ReadTensor(dst, &c.Tensors()[i]); err != nil || dst[1] != 2 {
					t.Errorf("%v: %v", dst, err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range c.shards {
		if s.users != 0 {
			t.Errorf("%s has %d users", s.name, s.users)
		}
	}
	if len(c.pool.open) > maxOpen {
		t.Errorf("%d open files, want at most %d", len(c.pool.open), maxOpen)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.ReadTensor(make([]byte, 2), &c.Tensors()[0]); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v after Close, want os.ErrClosed", err)
	}
}

// TestPoolReplaced puts another file in the place of a shard while it is closed.
func TestPoolReplaced(t *testing.T) {
	dir := t.TempDir()
	writeNamed(t, dir, map[string][]string{shard1: {"a"}, shard2: {"b"}})
	c := mustOpen(t, dir)
	for c.pool.evict() {
	}
	path := filepath.Join(dir, shard1)
	content := readFile(t, path)
	writeFile(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	err := c.ReadTensor(make([]byte, 2), &c.Tensors()[0])
	checkRefused(t, err, checkpoint.ErrCorrupt, shard1+`: tensor "a": file changed while it was read: another file has taken its place`)
	if err := c.ReadTensor(make([]byte, 2), &c.Tensors()[1]); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := c.ReadTensor(make([]byte, 2), &c.Tensors()[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want os.ErrNotExist", err)
	}
}
