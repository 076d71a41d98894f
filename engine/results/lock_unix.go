//go:build unix

package results

import (
	"os"

	"golang.org/x/sys/unix"
)

// acquire creates a file and holds it locked until it is closed, or the process ends.
func acquire(name string) (*os.File, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	// A file system without locks has none; then other processes take the run for dead.
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return f, nil
}

// lockFolder waits until no other process changes the files of a folder, and keeps others
// from it until the function that it returns is called. A folder that is not there is not
// locked.
func lockFolder(dir string) (unlock func()) {
	for {
		f, err := os.Open(dir)
		if err != nil {
			return func() {}
		}
		for unix.Flock(int(f.Fd()), unix.LOCK_EX) == unix.EINTR {
		}
		// Whoever had the lock may have removed the folder, and a third one made it anew.
		locked, err := f.Stat()
		now, err2 := os.Stat(dir)
		if err != nil || err2 == nil && os.SameFile(locked, now) {
			return func() { f.Close() }
		}
		f.Close()
	}
}

// held reports whether a process holds a file locked.
func held(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}
