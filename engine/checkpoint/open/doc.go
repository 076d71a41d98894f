// Package open opens a model of any supported format. [Open] finds the model that the
// user named (see package hub), recognises the format by the content of the files, and
// calls the reader of that format. File names decide only which file of a folder is
// looked at, and the format of a file whose content is not recognised.
//
// Each format is an entry of the table in formats.go. The entry of a format that has no
// reader has a message instead that says what the user can do.
package open
