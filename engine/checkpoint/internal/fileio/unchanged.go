package fileio

import (
	"io/fs"
	"os"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Unchanged returns an error of class checkpoint.ErrCorrupt if the state of an open file is not
// that of when it was opened first: another file, size or time of modification. It does not name
// the file. If it returns nil after a read, the bytes that were read are those that were described.
func Unchanged(now, first fs.FileInfo) error {
	switch {
	case !os.SameFile(now, first):
		return checkpoint.Corruptf("file changed while it was read: another file has taken its place")
	case now.Size() != first.Size():
		return checkpoint.Corruptf("file changed while it was read: %d bytes, %d when it was opened", now.Size(), first.Size())
	case !now.ModTime().Equal(first.ModTime()):
		return checkpoint.Corruptf("file changed while it was read: modified after it was opened")
	}
	return nil
}
