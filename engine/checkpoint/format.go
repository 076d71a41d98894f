package checkpoint

import "strings"

// A Format is a kind of file or folder that can be recognised. The package of a reader
// exports one, which package open lists.
type Format struct {
	Name string // with its article, for errors: "a GGUF file"
	// Match recognises a file by its first bytes, of which it is given 64 or, of a
	// shorter file, all. It is nil for a format that cannot be recognised by content.
	Match func(head []byte) bool
	// Suffixes are the endings of the names of such files, for which a folder is
	// searched.
	Suffixes []string
	// IndexSuffix is the ending of the names of files that are opened as this format
	// whatever their content is; empty if there are none.
	IndexSuffix string
	// Open opens a file, or a folder that holds one. It is nil if there is no reader
	// for the format; Hint then says what to do.
	Open func(path string) (Source, error)
	Hint string
}

// HasSuffix reports whether a file name ends like those of the format.
func (f *Format) HasSuffix(name string) bool {
	for _, s := range f.Suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
