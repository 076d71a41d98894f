package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

// foreign are flags of the program itself and of others that documents name: brew has
// --prefix.
var foreign = []string{"help", "version", "prefix"}

// TestDocumentedFlags: every flag that a document names is one of the program.
func TestDocumentedFlags(t *testing.T) {
	known := slices.Clone(foreign)
	for _, c := range newApp(io.Discard, io.Discard).Commands {
		known = append(known, namesOf(c.Flags)...)
	}
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	flag := regexp.MustCompile(`(?:^|[\s` + "`" + `(\[])--([a-zA-Z][a-zA-Z0-9-]*)`)
	found := 0
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range flag.FindAllStringSubmatch(string(text), -1) {
			found++
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s names --%s, which no command has", filepath.Base(path), m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d flags found", found)
	}
}

// TestHelp: every command has examples, which begin with its name, and every flag a
// description and a default that says something.
func TestHelp(t *testing.T) {
	for _, c := range newApp(io.Discard, io.Discard).Commands {
		_, examples, ok := strings.Cut(c.Description, "Examples:\n")
		if !ok || !strings.Contains(examples, "wwq-fast "+c.Name) {
			t.Errorf("%s has no examples", c.Name)
		}
		for _, f := range c.Flags {
			d, ok := f.(ucli.DocGenerationFlag)
			if !ok || d.GetUsage() == "" {
				t.Errorf("%s --%s has no description", c.Name, f.Names()[0])
				continue
			}
			if d.TakesValue() && (d.GetDefaultText() == "0" || strings.Contains(d.GetUsage(), "(default")) {
				t.Errorf("%s --%s: %q, default %q", c.Name, f.Names()[0], d.GetUsage(), d.GetDefaultText())
			}
		}
	}
}
