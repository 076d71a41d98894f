//go:build unix

package results

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLockOfNewFolder: who waits for the lock of a folder that is removed and made anew has
// that of the new one then.
func TestLockOfNewFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	unlock := lockFolder(dir)
	second := make(chan func())
	go func() { second <- lockFolder(dir) }()
	time.Sleep(50 * time.Millisecond) // it waits; if it does not yet, the test passes all the same
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	unlock()
	unlock = <-second
	if !held(dir) {
		t.Error("the new folder is not locked")
	}
	unlock()
	if held(dir) {
		t.Error("the folder stays locked")
	}
}
