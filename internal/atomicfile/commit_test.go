package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// errDied stands for a process that was killed: no operation after it has an effect.
var errDied = errors.New("the process is dead")

// failing has the n-th operation of the file system fail from now on, and if dead all
// that come after it. It returns how many were asked for.
func failing(t *testing.T, n int, dead bool) (asked func() int) {
	t.Helper()
	count := 0
	fail := func() error {
		count++
		if count == n || dead && count > n {
			return errDied
		}
		return nil
	}
	oldRename, oldLink, oldRemove, oldWrite := rename, link, remove, write
	t.Cleanup(func() { rename, link, remove, write = oldRename, oldLink, oldRemove, oldWrite })
	rename = func(a, b string) error {
		if err := fail(); err != nil {
			return err
		}
		return oldRename(a, b)
	}
	link = func(a, b string) error {
		if err := fail(); err != nil {
			return err
		}
		return oldLink(a, b)
	}
	remove = func(a string) error {
		if err := fail(); err != nil {
			return err
		}
		return oldRemove(a)
	}
	write = func(a string, data []byte) error {
		if err := fail(); err != nil {
			return err
		}
		return oldWrite(a, data)
	}
	return func() int { return count }
}

// state says what a reader finds of the files that matter.
func state(dir string) string {
	var b strings.Builder
	for _, name := range []string{"a", "b", "sub/c", "new/d", "old"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			data = []byte("-")
		}
		fmt.Fprintf(&b, "%s ", data)
	}
	return b.String()
}

// before writes what is there before a change, and returns a set that changes all of it.
func before(t *testing.T, dir string) *Set {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "sub/c", "old"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("1"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := &Set{Tag: "tag"}
	for _, name := range []string{"a", "b", "sub/c", "new/d"} {
		if err := s.Add(filepath.Join(dir, name), text("2")); err != nil {
			t.Fatal(err)
		}
	}
	s.Remove(filepath.Join(dir, "old"))
	s.Remove(filepath.Join(dir, "b")) // which has a new content
	return s
}

const (
	oldState = "1 1 1 - 1 "
	newState = "2 2 2 2 - "
)

// TestInjectedFailures fails each operation in turn, once as an error and once as the death
// of the process: after Recover all files are old or all are new, and after an error that is
// returned they are old without it.
func TestInjectedFailures(t *testing.T) {
	for _, dead := range []bool{false, true} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			name := filepath.Join(dir, ".journal")
			s := before(t, dir)
			var asked int
			var err error
			t.Run(fmt.Sprintf("operation %d, dead %v", n, dead), func(t *testing.T) {
				count := failing(t, n, dead)
				err = s.Commit(name)
				asked = count()
			})
			if !dead && err != nil && state(dir) != oldState {
				t.Errorf("operation %d failed with %v: %s", n, err, state(dir))
			}
			if err := Recover(name); err != nil {
				t.Fatal(err)
			}
			got := state(dir)
			if got != oldState && got != newState || err == nil && got != newState {
				t.Errorf("operation %d, dead %v, %v: %s", n, dead, err, got)
			}
			if _, err := os.Stat(name); err == nil {
				t.Errorf("operation %d: the journal is left", n)
			}
			if err := Recover(name); err != nil || state(dir) != got {
				t.Errorf("operation %d: recovered twice, %v", n, err)
			}
			Sweep(dir, func(string) bool { return false })
			Sweep(filepath.Join(dir, "sub"), func(string) bool { return false })
			for _, d := range []string{dir, filepath.Join(dir, "sub")} {
				if left, _ := filepath.Glob(filepath.Join(d, ".*")); len(left) > 0 {
					t.Errorf("operation %d: left behind %v", n, left)
				}
			}
			if asked < n {
				break // no operation failed
			}
		}
	}
}

// TestDiesWhileRecovering: recovery can be interrupted and begun again.
func TestDiesWhileRecovering(t *testing.T) {
	for first := 1; first < 20; first++ {
		for second := 1; second < 12; second++ {
			dir := t.TempDir()
			name := filepath.Join(dir, ".journal")
			s := before(t, dir)
			t.Run("", func(t *testing.T) {
				failing(t, first, true)
				_ = s.Commit(name)
			})
			t.Run("", func(t *testing.T) {
				failing(t, second, true)
				_ = Recover(name)
			})
			if err := Recover(name); err != nil {
				t.Fatal(err)
			}
			if got := state(dir); got != oldState && got != newState {
				t.Errorf("died at %d and %d: %s", first, second, got)
			}
		}
	}
}

// TestForeignJournals: what is no journal of ours changes nothing, and is an error.
func TestForeignJournals(t *testing.T) {
	for _, content := range []string{
		"", "x", "[]", `{"steps":[{"path":"../outside"}]}`, `{"steps":[{"path":"/etc/outside"}]}`, `{"steps":[{"temp":"../t","path":"a"}]}`,
		`{"undo":true,"steps":[{"backup":"../b","path":"a"}]}`,
	} {
		dir := filepath.Join(t.TempDir(), "in")
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		outside := filepath.Join(dir, "..", "outside")
		for _, f := range []string{outside, filepath.Join(dir, "a")} {
			if err := os.WriteFile(f, []byte("1"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		name := filepath.Join(dir, ".journal")
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := Recover(name); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%q: %v", content, err)
		}
		for _, f := range []string{outside, filepath.Join(dir, "a")} {
			if _, err := os.Stat(f); err != nil {
				t.Errorf("%q: %v", content, err)
			}
		}
	}
}

// TestLinks: a link that the user made as an output stays, and what it leads to is written;
// one that leads nowhere is an error.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := os.WriteFile(real, []byte("1"), 0o666); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"file": "real", "nowhere": "gone", "folder": "gone too"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	s := &Set{}
	if err := s.Add(filepath.Join(dir, "file"), text("2")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"nowhere", "folder/x"} {
		if err := s.Add(filepath.Join(dir, bad), text("2")); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if err := s.Commit(filepath.Join(dir, ".journal")); err != nil {
		t.Fatal(err)
	}
	s.Discard()
	if got, _ := os.ReadFile(real); string(got) != "2" {
		t.Errorf("the file behind the link holds %q", got)
	}
	for _, link := range []string{"file", "nowhere", "folder"} {
		if info, err := os.Lstat(filepath.Join(dir, link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link %s is gone: %v", link, err)
		}
	}
}
