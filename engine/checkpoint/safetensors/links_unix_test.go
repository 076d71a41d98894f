//go:build unix

package safetensors

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// openInTime opens path and fails the test if Open blocks, as opening a FIFO can.
func openInTime(t *testing.T, path string) (*Checkpoint, error) {
	t.Helper()
	type result struct {
		c   *Checkpoint
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := Open(path)
		done <- result{c, err}
	}()
	select {
	case r := <-done:
		return r.c, r.err
	case <-time.After(10 * time.Second):
		t.Fatal("Open hangs")
		return nil, nil
	}
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestShardKinds puts other kinds of files in the place of a shard that the index names.
func TestShardKinds(t *testing.T) {
	for _, tc := range []struct {
		name  string
		make  func(t *testing.T, dir, shard string)
		class error
		want  string
	}{
		{"FIFO", func(t *testing.T, _, shard string) {
			if err := unix.Mkfifo(shard, 0o666); err != nil {
				t.Fatal(err)
			}
		}, checkpoint.ErrUnsupported, "m1.safetensors: is a FIFO, want a regular file"},
		{"folder", func(t *testing.T, _, shard string) { mkdir(t, shard) }, checkpoint.ErrUnsupported, "m1.safetensors: is a folder"},
		{"device", func(t *testing.T, _, shard string) { symlink(t, "/dev/null", shard) }, checkpoint.ErrUnsupported, "m1.safetensors: is a device, want a regular file"},
		{"absolute link", func(t *testing.T, dir, shard string) { symlink(t, filepath.Join(dir, "real.safetensors"), shard) }, nil, ""},
		{"link out of the folder", func(t *testing.T, dir, shard string) {
			writeNamed(t, filepath.Dir(dir), map[string][]string{"outside.safetensors": {"a"}})
			symlink(t, "../outside.safetensors", shard)
		}, nil, ""},
		{"link to itself", func(t *testing.T, _, shard string) { symlink(t, "m1.safetensors", shard) }, checkpoint.ErrCorrupt, "m1.safetensors: symbolic link that leads to itself"},
		{"dangling link", func(t *testing.T, _, shard string) { symlink(t, "gone", shard) }, checkpoint.ErrCorrupt, "the download is not finished"},
		{"link to a folder", func(t *testing.T, _, shard string) { symlink(t, ".", shard) }, checkpoint.ErrUnsupported, "m1.safetensors: is a folder"},
		{"link inside", func(t *testing.T, _, shard string) { symlink(t, "real.safetensors", shard) }, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := mkdir(t, filepath.Join(t.TempDir(), "model"))
			writeNamed(t, dir, map[string][]string{"real.safetensors": {"a"}})
			writeIndex(t, dir, map[string]string{"a": "m1.safetensors"})
			tc.make(t, dir, filepath.Join(dir, "m1.safetensors"))
			c, err := openInTime(t, dir)
			if tc.class == nil {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			checkRefused(t, err, tc.class, tc.want)
		})
	}
}

func TestUserPathKinds(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo.safetensors")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := openInTime(t, fifo)
	checkRefused(t, err, checkpoint.ErrUnsupported, "is a FIFO")
	_, err = openInTime(t, "/dev/zero")
	checkRefused(t, err, checkpoint.ErrUnsupported, "is a device")

	dangling := filepath.Join(dir, "dangling.safetensors")
	symlink(t, "gone", dangling)
	_, err = Open(dangling)
	checkRefused(t, err, checkpoint.ErrNotFound, "symbolic link to a file that is not there")

	// The path that the user names may be a link to any place.
	writeNamed(t, dir, map[string][]string{"real.safetensors": {"a"}})
	link := filepath.Join(mkdir(t, filepath.Join(dir, "sub")), "link.safetensors")
	symlink(t, filepath.Join(dir, "real.safetensors"), link)
	c, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestHubLayout opens a snapshot of the Hugging Face cache, whose files are
// links to the folder blobs, by its path, by a link to it, and by a link from
// elsewhere to the whole repository under another name.
func TestHubLayout(t *testing.T) {
	cache := t.TempDir()
	repo := filepath.Join(cache, "models--org--name")
	snapshot := mkdir(t, filepath.Join(repo, "snapshots", "0123"))
	blobs := mkdir(t, filepath.Join(repo, "blobs"))
	sub := mkdir(t, filepath.Join(snapshot, "unet"))
	writeNamed(t, blobs, map[string][]string{"b1": {"a"}, "b2": {"b"}})
	symlink(t, "../../blobs/b1", filepath.Join(snapshot, shard1))
	symlink(t, "../../blobs/b2", filepath.Join(snapshot, shard2))
	symlink(t, "../../../blobs/b2", filepath.Join(sub, "model.safetensors"))
	writeIndex(t, blobs, map[string]string{"a": shard1, "b": shard2})
	symlink(t, "../../blobs/model.safetensors.index.json", filepath.Join(snapshot, "model.safetensors.index.json"))

	elsewhere := t.TempDir()
	symlink(t, snapshot, filepath.Join(elsewhere, "to-snapshot"))
	symlink(t, repo, filepath.Join(elsewhere, "to-repo"))
	symlink(t, repo, filepath.Join(elsewhere, "models--x"))
	for _, path := range []string{
		snapshot,
		snapshot + "/",
		sub,
		filepath.Join(elsewhere, "to-snapshot"),
		filepath.Join(elsewhere, "to-repo", "snapshots", "0123"),
		filepath.Join(elsewhere, "models--x", "snapshots", "0123"),
	} {
		c, err := Open(path)
		if err != nil {
			t.Errorf("Open(%q): %v", path, err)
			continue
		}
		checkInvariants(t, 1<<20, c)
		c.Close()
	}

	// The blobs may be on another disk, and other links may lead to nothing.
	writeNamed(t, cache, map[string][]string{"outside": {"c"}})
	symlink(t, "../../../../outside", filepath.Join(sub, "diffusion_pytorch_model.safetensors"))
	symlink(t, "../../../outside", filepath.Join(sub, "model2.safetensors"))
	c, err := Open(sub)
	if err != nil || len(c.Tensors()) != 1 || c.Tensors()[0].Name != "b" {
		t.Fatalf("Open: %v", err)
	}
	c.Close()
	if err := os.Remove(filepath.Join(sub, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	c, err = Open(sub)
	if err != nil || c.Tensors()[0].Name != "c" {
		t.Fatalf("Open: %v", err)
	}
	c.Close()
	if err := os.Remove(filepath.Join(sub, "diffusion_pytorch_model.safetensors")); err != nil {
		t.Fatal(err)
	}
	_, err = Open(sub)
	checkRefused(t, err, checkpoint.ErrIncomplete, "symbolic link to a file that is not there: model2.safetensors: the download is not finished")
}
