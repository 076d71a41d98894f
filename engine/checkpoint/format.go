package checkpoint

import "strings"

// A Format is a kind of file or folder that can be recognised. The package of a reader
// exports one, which package open lists.
type Format struct {
	Name string // with its article, for errors: "a GGUF file"
	// Match recognises a file by its first bytes, of which it is given 512 or, of a
	// shorter file, all. It is nil for a format that cannot be recognised by content.
	Match func(head []byte) bool
	// Suffixes are the endings, in small letters, of the names of such files, for
	// which a folder is searched.
	Suffixes []string
	// IsIndex recognises the names of files that are opened as this format whatever
	// their content is; nil if there are none.
	IsIndex func(name string) bool
	// Open opens a file, or a folder that holds one. It is nil if there is no reader
	// for the format; Hint then says what to do. explain makes of an error of one of the
	// files a better one, which says what that file is instead; Open uses it for what it
	// notes, not for the error that it returns.
	Open func(path string, explain func(error) error) (Source, error)
	Hint string
	// Text says that such a file is text, of which an error shows the beginning.
	Text bool
}

// HasSuffix reports whether a file name ends like those of the format, in letters of
// any case.
func (f *Format) HasSuffix(name string) bool {
	name = strings.ToLower(name)
	for _, s := range f.Suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return f.IsIndex != nil && f.IsIndex(name)
}
