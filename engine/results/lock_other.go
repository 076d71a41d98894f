//go:build !unix

package results

import "os"

// acquire creates a file and holds it open until it is closed, or the process ends.
func acquire(name string) (*os.File, error) { return os.Create(name) }

// lockFolder does nothing: on this system two processes must not change a folder at once.
func lockFolder(string) (unlock func()) { return func() {} }

// held reports whether a process holds a file open: then it cannot be removed.
func held(name string) bool {
	if _, err := os.Stat(name); err != nil {
		return false
	}
	return os.Remove(name) != nil
}
