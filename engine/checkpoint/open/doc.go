// Package open opens the model that the user named, whatever its format: it
// finds it (see package hub), looks at what the files contain, and calls the
// reader of that format. Names of files decide only among the files of a folder
// and where the content says nothing.
//
// A format is one entry of the table in formats.go. A format without a reader
// has a message there that says what to do instead.
package open
