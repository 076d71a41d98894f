// Package lint holds the rules of the house as tests.
package lint

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wwq-fast/wwq-fast"

// A pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	CgoFiles   []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,CgoFiles", module+"/...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// forbidden says what packages below a path must not import, directly.
var forbidden = []struct{ below, imports, reason string }{
	{"engine", "cmd/wwq-fast/internal/cli", "the engine knows no terminals"},
	{"engine", "github.com/urfave/cli/v2", "the engine knows no command line"},
	{"engine", "github.com/jedib0t/go-pretty", "the engine knows no terminals"},
	{"engine", "golang.org/x/term", "the engine knows no terminals"},
	{"engine", "log", "errors and warnings are returned, not logged"},
	{"engine", "cmd", "the engine is the library"},
	{"engine/quant", "cblas", "quantizing needs no linear algebra"},
	{"engine/quant", "lapack", "quantizing needs no linear algebra"},
	{"engine/powerlaw", "engine", "a fit is of numbers"},
	{"engine/powerlaw", "cblas", "a fit is of numbers"},
	{"engine/powerlaw", "lapack", "a fit is of numbers"},
	{"engine/spectrum", "engine/checkpoint", "a spectrum is of a matrix, wherever it comes from"},
	{"engine/spectrum", "engine/powerlaw", "a spectrum is there before the fit"},
	{"engine/checkpoint", "cblas", "reading needs no linear algebra"},
	{"engine/checkpoint", "lapack", "reading needs no linear algebra"},
	{"engine/report", "cblas", "reports compute nothing"},
	{"engine/report", "lapack", "reports compute nothing"},
	{"engine/report", "engine/checkpoint/", "reports read results, not files"},
	{"cblas", "engine", "the bindings serve the engine"},
	{"cblas", "lapack", "BLAS lies below LAPACK"},
	{"lapack", "engine", "the bindings serve the engine"},
	{"cmd", "cblas", "commands ask the engine"},
	{"cmd", "lapack", "commands ask the engine"},
	{"internal", "engine/spectrum", "helpers know no matrices"},
}

// under reports whether path is dir or below it; a dir ending in a slash means
// only what is below.
func under(path, dir string) bool {
	if strings.HasSuffix(dir, "/") {
		return strings.HasPrefix(path, dir)
	}
	return path == dir || strings.HasPrefix(path, dir+"/")
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		rel := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, rule := range forbidden {
			if !under(rel, rule.below) {
				continue
			}
			for _, i := range p.Imports {
				if under(strings.TrimPrefix(i, module+"/"), rule.imports) && !under(rel, rule.imports) {
					t.Errorf("%s imports %s: %s", rel, i, rule.reason)
				}
			}
		}
	}
}

// cgo lists the leaf packages that may import "C".
var cgo = []string{"cblas", "lapack", "internal/kernel", "internal/intgram", "internal/modp", "internal/twostage"}

// TestCgo holds import "C" to leaf packages.
func TestCgo(t *testing.T) {
	for _, p := range list(t) {
		rel := strings.TrimPrefix(p.ImportPath, module+"/")
		if len(p.CgoFiles) > 0 && !slices.Contains(cgo, rel) {
			t.Errorf("%s imports C", rel)
		}
	}
}

// TestTestSuites keeps conformance suites out of what is shipped.
func TestTestSuites(t *testing.T) {
	for _, p := range list(t) {
		for _, i := range p.Imports {
			if strings.HasPrefix(i, module) && strings.HasPrefix(filepath.Base(i), "test") {
				t.Errorf("%s imports %s outside of tests", p.ImportPath, i)
			}
		}
	}
}

// each calls f for every file of the repository that git would track.
func each(t *testing.T, f func(path string, data []byte)) {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-co", "--exclude-standard")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	for _, name := range strings.Fields(string(out)) {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			continue // deleted, not committed yet
		}
		f(name, data)
	}
}

// TestBLASFlags keeps include directories of a BLAS out of the build: their
// headers shadow those that netlib brings, and it no longer compiles.
func TestBLASFlags(t *testing.T) {
	bad := regexp.MustCompile(`#cgo.*CFLAGS:.*-I|CGO_C(PP)?FLAGS=.*blas|pkg-config: *openblas`)
	each(t, func(path string, data []byte) {
		if ext := filepath.Ext(path); ext != ".go" && filepath.Base(path) != "Makefile" && ext != ".sh" {
			return
		}
		if m := bad.Find(data); m != nil && !strings.HasPrefix(path, "internal/lint/") {
			t.Errorf("%s: %s", path, m)
		}
	})
}

// TestLongFiles keeps source files to what one person can hold in mind.
func TestLongFiles(t *testing.T) {
	const limit = 600
	each(t, func(path string, data []byte) {
		if !slices.Contains([]string{".go", ".c", ".h", ".sh"}, filepath.Ext(path)) {
			return
		}
		if n := strings.Count(string(data), "\n"); n > limit {
			t.Errorf("%s has %d lines, more than %d", path, n, limit)
		}
	})
}

// TestUnfinished finds marks of unfinished work.
func TestUnfinished(t *testing.T) {
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	each(t, func(path string, data []byte) {
		if filepath.Ext(path) == ".go" || filepath.Ext(path) == ".c" || filepath.Ext(path) == ".h" {
			if m := mark.Find(data); m != nil {
				t.Errorf("%s: %s", path, m)
			}
		}
	})
}
